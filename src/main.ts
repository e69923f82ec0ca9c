import { defineCommand, obey } from './command/command.ts';
import { isMendable } from './command/trouble.ts';
import { createLog } from './log.ts';
import { type Service, startService } from './service.ts';

/** The service. It has started when the command is over, and runs on until a signal ends it. */
const start = defineCommand(
  {
    call: 'npm start',
    about: {
      en: 'Starts the service that Bitrix24 calls. Settings come from the environment and from .env of this folder; the environment wins.',
      ru: 'Запускает сервис, который вызывает Битрикс24. Настройки берутся из окружения и из файла .env этой папки; окружение важнее.',
    },
    forms: [''],
    options: {},
    notes: {
      en: 'It writes its log to standard output, one JSON line an event, and ends in order on SIGTERM and SIGINT.\nExit code: 1 when it cannot start.',
      ru: 'Журнал пишется в стандартный вывод, по строке JSON на событие; SIGTERM и SIGINT штатно завершают сервис.\nКод выхода: 1, если запуск не удался.',
    },
  },
  async (order) => {
    const config = order.config();
    const log = createLog(config.LOG_LEVEL);
    let service: Service | null = null;
    const stop = (signal: string) => {
      log.info('service.stopping', { signal });
      // A start that still waits for its database has nothing open: what it took is on the disk.
      if (service === null) process.exit(0);
      service.stop().then(
        () => process.exit(0),
        (error) => {
          log.error('service.stop_failed', { error });
          process.exit(1);
        },
      );
    };
    process.once('SIGTERM', () => stop('SIGTERM'));
    process.once('SIGINT', () => stop('SIGINT'));
    try {
      service = await startService(config, { log, now: () => new Date(), random: Math.random });
    } catch (error) {
      // What an operator can mend is said in words; a fault of ours needs its place in the code.
      if (!isMendable(error, config)) log.error('service.start_failed', { error });
      throw error;
    }
    return 0;
  },
);

if (import.meta.main) {
  const code = await obey(start, process);
  if (code !== 0) process.exit(code);
}
