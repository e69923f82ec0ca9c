// A process of its own on an embedded database: `node embedded-child.ts <embedded.ts> <DATA_DIR>`.
const [module, dataDir] = process.argv.slice(2);
const { startEmbedded } = await import(module!);

const events: string[] = [];
const write = (event: string) => events.push(event);
const log = { debug: write, info: write, warn: write, error: write };
const embedded = await startEmbedded({ dataDir, log });
console.log(JSON.stringify({ url: embedded.url, events }));

process.stdin.once('data', async () => {
  await embedded.stop();
  process.exit(0);
});
