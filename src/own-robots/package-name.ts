import { registerHooks } from 'node:module';

const NAME = 'bitrix24-directum-robots';
const FACES: Readonly<Record<string, string>> = {
  [NAME]: new URL('./public.ts', import.meta.url).href,
  [`${NAME}/testing`]: new URL('./robot-bench.ts', import.meta.url).href,
};
let isKnown = false;

/**
 * From now on files outside the package that name it `bitrix24-directum-robots`, or `zod`, get its own modules, wherever they
 * stand: a copy of either would not know the fields of the other, and Node strips no types under `node_modules`.
 */
export function resolvePackageName(): void {
  if (isKnown) return;
  isKnown = true;
  registerHooks({
    resolve(specifier, context, next) {
      const url = FACES[specifier];
      if (url !== undefined) return { url, shortCircuit: true };
      const isZod = specifier === 'zod' || specifier.startsWith('zod/');
      return next(specifier, isZod ? { ...context, parentURL: import.meta.url } : context);
    },
  });
}
