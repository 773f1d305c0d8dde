import type { Text } from '../base/error-table.ts';
import { ProblemError } from '../base/errors.ts';
import { suggest } from '../base/suggest.ts';
import type { Dataset } from '../catalogue/catalogue.ts';
import { findSameFields } from '../catalogue/concepts.ts';

const maxFaults = 20;

/** Where in the body a field is named, as a JSON pointer. */
type PointerTo = (name: string, i: number) => string;
export const pointerToField: PointerTo = (_name, i) => `#/fields/${i}`;

/** @throws ProblemError unknown-field when the dataset lacks any of the names */
export function checkKnown(
  dataset: Dataset,
  asked: readonly string[],
  pointerTo: PointerTo = pointerToField,
): void {
  if (asked.some((name) => !dataset.fields.has(name))) throw unknownField(dataset, asked, pointerTo);
}

function unknownField(dataset: Dataset, asked: readonly string[], pointerTo: PointerTo): ProblemError {
  const unknown = asked.filter((name) => !dataset.fields.has(name));
  const errors = asked.flatMap((name, i) =>
    dataset.fields.has(name)
      ? []
      : [
          {
            pointer: pointerTo(name, i),
            detail: { en: 'is not a field of the dataset', zh: '不是该数据集的字段' },
          },
        ],
  );
  const renamed = [...new Set(unknown)].flatMap((name) => tellNewName(dataset, name) ?? []);
  const suggestion = {
    en: renamed.map(({ en }) => en).join(''),
    zh: renamed.map(({ zh }) => zh).join(''),
  };
  return new ProblemError(
    'unknown-field',
    {
      dataset: dataset.name,
      fields: [...new Set(unknown)].join(', '),
      suggestion: renamed.length > 0 ? suggestion : suggest(unknown[0]!, dataset.fields.keys()),
    },
    { errors: errors.slice(0, maxFaults) },
  );
}

/** What this version calls a field that other versions have by that name; null where none has. */
function tellNewName({ fields, concepts, version }: Dataset, name: string): Text | null {
  const concept = concepts.get(name);
  const found = concept === undefined ? null : findSameFields(fields.values(), concept);
  if (found === null) return null;
  const names = found.fields.map((field) => field.name);
  const [en, zh] = relations[found.as];
  return {
    en: ` In version ${version}, ${name} ${en} ${names.join(', ')}.`,
    zh: `在第 ${version} 版中，${name} ${zh} ${names.join('、')}。`,
  };
}

const relations = {
  same: ['is called', '名为'],
  parts: ['is split into', '分为'],
  whole: ['is part of', '属于'],
} as const;
