import type { Command } from '../command.ts';
import { runControl } from '../control/run.ts';
import { controlOptions, readControlOptions } from './up.ts';

/** What `up --detach` starts: the control process, without a terminal. */
export const control: Command = {
  name: 'control',
  usage: '',
  summary: 'run the control process (started by up)',
  options: controlOptions,
  async run(given) {
    const running = await runControl(readControlOptions(given));
    await new Promise<void>((resolve) => {
      process.once('SIGTERM', resolve);
      process.once('SIGINT', resolve);
    });
    await running.stop();
    return 0;
  },
};
