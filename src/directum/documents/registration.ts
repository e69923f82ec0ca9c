import type { DocumentType } from '../../documents/types/document-types.ts';
import { type LocalText, RobotFailure } from '../../robot/failure.ts';
import type { FieldLabel, NumberedKind, Register } from '../../robot/ports/directum.ts';
import type { Log } from '../../robot/ports/log.ts';
import { notExposed } from '../http/errors.ts';
import type { Transport } from '../http/transport.ts';
import { allOf, equals } from '../odata/filter.ts';
import type { DirectumContext } from '../odata/lookup-cache.ts';
import { idOf, isRow, type Row, refOf, textOf } from '../odata/rows.ts';

const REGISTER = 'Docflow/RegisterDocument';
const LINKS = {
  DocumentKinds: 'DocumentKind',
  BusinessUnits: 'BusinessUnit',
  Departments: 'Department',
} as const;

/** Registration of documents under a number and date of the paper (directum.md B.6, D.5, J.3). */
export function createRegistration({
  reader,
  metadata,
  transport,
  log,
}: DirectumContext & { transport: Transport; log: Log }) {
  /** Active settings of registration or numbering that fit kind, own company and department; no row is no condition. */
  async function fitting(settingType: string, flow: string | null, of: NumberedKind): Promise<Row[]> {
    const can = await metadata.capabilities();
    const expand = Object.fromEntries(
      Object.entries(LINKS).map(([rows, name]) => [rows, { expand: { [name]: { select: ['Id'] } } }]),
    );
    const rows = await reader.all(can.need('RegistrationSetting'), {
      filter: allOf(equals('SettingType', settingType), equals('Status', 'Active')),
      select: ['Id', 'Name', ...can.having('RegistrationSetting', ['DocumentFlow'])],
      expand: { ...expand, DocumentRegister: { select: ['Id', 'Name'] } },
    });
    const meets = (row: Row, links: keyof typeof LINKS, id: number | undefined) => {
      const listed = row[links];
      const given = Array.isArray(listed) ? listed.filter(isRow) : [];
      return given.length === 0 || given.some((one) => refOf(one, LINKS[links]) === id);
    };
    return rows.filter(
      (row) =>
        [null, flow].includes(textOf(row, 'DocumentFlow')) &&
        meets(row, 'DocumentKinds', of.kindId) &&
        meets(row, 'BusinessUnits', of.businessUnitId) &&
        meets(row, 'Departments', of.departmentId),
    );
  }

  return {
    /**
     * The register in which a number is given by people.
     * @throws RobotFailure input_invalid for a kind that numbers itself or is not numbered, and where not exactly one
     * setting fits
     */
    async registerOf(of: NumberedKind, label: FieldLabel): Promise<Register> {
      const can = await metadata.capabilities();
      if (!can.has(REGISTER)) throw notExposed(REGISTER);
      const kind = await reader.one(can.need('DocumentKind'), of.kindId, {
        select: [
          'Id',
          ...can.having('DocumentKind', ['Name', 'NumberingType', 'AutoNumbering', 'DocumentFlow']),
        ],
      });
      const refuse = (text: LocalText) =>
        new RobotFailure('input_invalid', {
          ru: `«${label.ru}»: вид «${(kind && textOf(kind, 'Name')) ?? of.kindId}» ${text.ru}`,
          en: `«${label.en}»: the kind «${(kind && textOf(kind, 'Name')) ?? of.kindId}» ${text.en}`,
        });
      if (kind?.['AutoNumbering'] === true)
        throw refuse({
          ru: 'нумеруется в Directum сам. Оставьте номер и дату пустыми.',
          en: 'is numbered by Directum itself. Leave number and date empty.',
        });
      const type = { Numerable: 'Numeration', Registrable: 'Registration' }[
        (kind && textOf(kind, 'NumberingType')) ?? ''
      ];
      if (type === undefined)
        throw refuse({
          ru: 'в Directum не нумеруется. Оставьте номер и дату пустыми.',
          en: 'is not numbered in Directum. Leave number and date empty.',
        });
      const found = await fitting(type, kind && textOf(kind, 'DocumentFlow'), of);
      const [only, ...others] = found;
      const register = only?.['DocumentRegister'];
      if (only !== undefined && others.length === 0 && isRow(register))
        return { id: idOf(register), name: textOf(register, 'Name') ?? '' };
      const names = found
        .slice(0, 5)
        .map((row) => `«${textOf(row, 'Name') ?? idOf(row)}»`)
        .join(', ');
      throw refuse(
        found.length > 1
          ? {
              ru: `имеет несколько подходящих настроек регистрации: ${names}. Оставьте одну или зарегистрируйте документ в Directum.`,
              en: `has several registration settings that fit: ${names}. Leave one, or register the document in Directum.`,
            }
          : {
              ru: 'не имеет подходящей настройки регистрации или нумерации для этой организации и подразделения. Попросите администратора Directum добавить её.',
              en: 'has no registration or numbering setting that fits this own company and department. Ask the administrator of Directum to add one.',
            },
      );
    },

    /** Registers a document that has no number yet; one that took the number though no answer came is well. */
    async register(
      type: DocumentType,
      id: number,
      { register, number, date }: { register: Register; number: string; date: string },
    ): Promise<void> {
      const set = (await metadata.capabilities()).need(type.entity);
      const body = {
        documentId: id,
        documentRegisterId: register.id,
        registrationDate: `${date}T00:00:00Z`,
        registrationNumber: number,
        numberReservation: false,
      };
      try {
        await transport.send('POST', REGISTER, body);
        log.info(`${type.code}.registered`, { documentId: id, registerId: register.id });
      } catch (error) {
        const unsure = error instanceof RobotFailure && error.code === 'directum_unavailable';
        const now = unsure
          ? await reader.one(set, id, { select: ['Id', 'RegistrationNumber'] }).catch(() => null)
          : null;
        if (now === null || textOf(now, 'RegistrationNumber') !== number) throw error;
      }
    },
  };
}
