/** For test runs: what must be in no log, and the search for it. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { personaCitizens, personaEnterprises, personas } from '../../src/sandbox/personas.ts';

/** What must be in no log: the ids of all personas, and what the registers say of them. */
export const secretsOfPersonas: string[] = [
  ...personas.map((persona) => persona.id),
  ...personaCitizens.flatMap((citizen) => [citizen.name, citizen.mobile_phone]),
  ...personaEnterprises.map((enterprise) => enterprise.name),
].filter((secret) => secret !== null);

/** Searches files, and tells of each find where it is and what kind it is. */
export function findPersonalData(files: string[]): string[] {
  const finds: string[] = [];
  for (const file of files) {
    const content = readFileSync(file, 'utf8');
    for (const secret of secretsOfPersonas)
      for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')])
        if (holds(content, form)) finds.push(`${basename(file)} holds ${form}`);
  }
  return finds;
}

/** Digits within the fraction of a number, as metrics have them, are no phone number. */
function holds(content: string, form: string): boolean {
  if (!/^\d+$/.test(form)) return content.includes(form);
  return content.replaceAll(/\d\.\d+/g, '').includes(form);
}
