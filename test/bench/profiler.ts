/** Loaded before a gateway (`node --import`): SIGUSR2 begins a CPU profile, the next one writes it to PROFILE_FILE. */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';

const session = new Session();
session.connect();
let profiling = false;

process.on('SIGUSR2', () => {
  void toggle();
});

async function toggle(): Promise<void> {
  profiling = !profiling;
  if (profiling) {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: 200 });
    await session.post('Profiler.start');
    return;
  }
  const { profile } = await session.post('Profiler.stop');
  writeFileSync(process.env.PROFILE_FILE!, JSON.stringify(profile));
}
