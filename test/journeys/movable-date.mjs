/**
 * Loaded with `--import`: the wall clock of the process as an operator sets it. It begins `CLOCK_AHEAD_MS` ahead, and
 * SIGUSR2 sets it back by `CLOCK_BACK_MS`. What has passed, as `performance.now()` tells it, is not touched.
 */
const RealDate = Date;
let shiftMs = Number(process.env.CLOCK_AHEAD_MS ?? 0);
process.on('SIGUSR2', () => {
  shiftMs -= Number(process.env.CLOCK_BACK_MS ?? 0);
});
globalThis.Date = class extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(RealDate.now() + shiftMs);
    else super(...given);
  }
  static now() {
    return RealDate.now() + shiftMs;
  }
};
