import type { Command } from './command.ts';

export const commands: Command[] = [
  {
    name: 'serve',
    summary: 'run the gateway until a signal ends it',
    needs: 'serve',
    run: async ({ config }) => {
      const { serve } = await import('../gateway/serve.ts');
      await serve(config, (line) => process.stdout.write(`${line}\n`));
    },
  },
];
