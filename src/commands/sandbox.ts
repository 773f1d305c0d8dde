import type { Command } from './command.ts';
import { UserError } from '../base/errors.ts';
import { generateCsv } from '../sandbox/generate.ts';

export const commands: Command[] = [
  {
    name: 'sandbox generate',
    summary: 'write a made-up province as CSV files',
    needs: 'home',
    options: [
      { flags: '--citizens <n>', description: 'how many citizens', default: '10000' },
      { flags: '--enterprises <n>', description: 'how many enterprises', default: '2000' },
      { flags: '--seed <n>', description: 'the same seed makes the same province', default: '1' },
      { flags: '--out <folder>', description: 'where the files go', default: '.' },
    ],
    run: async ({ options, progress }) => {
      const province = {
        citizens: wholeNumber('--citizens', options.citizens),
        enterprises: wholeNumber('--enterprises', options.enterprises),
        seed: wholeNumber('--seed', options.seed),
      };
      try {
        const { files } = await generateCsv(province, options.out as string, (done, total) =>
          progress(done, total, 'writing rows'),
        );
        return { json: { files }, text: files.map((file) => `${file.path}: ${file.rows} rows`).join('\n') };
      } catch (error) {
        if (error instanceof RangeError) throw new UserError(error.message, { cause: error });
        const { code } = error as NodeJS.ErrnoException;
        if (code === undefined) throw error;
        throw new UserError(`cannot write to ${options.out as string} (${code})`, { cause: error });
      }
    },
  },
];

function wholeNumber(flag: string, value: unknown): number {
  if (typeof value !== 'string' || !/^\d{1,15}$/.test(value))
    throw new UserError(`${flag}: "${String(value)}" is not a whole number`);
  return Number(value);
}
