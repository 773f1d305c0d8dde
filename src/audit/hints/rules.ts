import type { Text } from '../../base/error-table.ts';
import {
  deviations,
  leastAbsent,
  leastOff,
  leastPeers,
  leastRefusals,
  leastRun,
  leastWithoutCase,
  watchAbsent,
  watchCases,
  watchHours,
  watchOfficials,
  watchRefusals,
  watchSequence,
  type RuleName,
  type Watch,
} from './watches.ts';
import { type OfficeHours } from '../../base/office-hours.ts';

interface HintRule {
  title: Text;
  text: Text;
  watch: (office: OfficeHours) => Watch;
}

/** The rules by their names. */
export const rules = {
  sequence: {
    title: { en: 'Ids asked in sequence', zh: '连续查询相邻编号' },
    text: {
      en: `An official asked for ${leastRun} or more neighbouring ids one after the other, as whoever tries out numbers does.`,
      zh: `同一人员连续查询 ${leastRun} 个以上相邻编号，疑似逐号试探。`,
    },
    watch: watchSequence,
  },
  official: {
    title: { en: 'One official asks far more than the others', zh: '个别人员查询量远超同事' },
    text: {
      en: `An official asked for more subjects than the median of the department and ${deviations} robust deviations; among ${leastPeers} officials or more.`,
      zh: `在不少于 ${leastPeers} 人的部门中，某人员查询对象数超过部门中位数加 ${deviations} 倍稳健偏差。`,
    },
    watch: watchOfficials,
  },
  hours: {
    title: { en: 'At night, on weekends and holidays', zh: '夜间、周末及节假日查询' },
    text: {
      en: `Half or more of an official's exchanges, ${leastOff} at least, are outside office hours, while the department works within them.`,
      zh: `某人员至少 ${leastOff} 次且半数以上的查询在非工作时间，而其部门通常在工作时间查询。`,
    },
    watch: watchHours,
  },
  'no-case': {
    title: { en: 'A purpose without any case', zh: '某用途从不填写办件号' },
    text: {
      en: `A department asked ${leastWithoutCase} times or more for a purpose and never gave a case, while it does for its others.`,
      zh: `某部门以某用途查询 ${leastWithoutCase} 次以上从未填写办件号，而其他用途通常填写。`,
    },
    watch: watchCases,
  },
  refusals: {
    title: { en: 'A burst of refusals', zh: '短时间内大量被拒' },
    text: {
      en: `${leastRefusals} or more exchanges of a department were refused within ten minutes, half or more of all it asked.`,
      zh: `某部门十分钟内被拒 ${leastRefusals} 次以上，且占同期查询半数以上。`,
    },
    watch: watchRefusals,
  },
  absent: {
    title: { en: 'Many ids that there are not', zh: '大量查无此人（企业）' },
    text: {
      en: `${leastAbsent} or more of the ids that an official asked for, three in ten at least, are of nobody.`,
      zh: `某人员查询的编号中 ${leastAbsent} 个以上且三成以上不存在。`,
    },
    watch: watchAbsent,
  },
} as const satisfies Record<RuleName, HintRule>;

/** A department that makes up names of officials can cause any number of hints: of each rule only the largest are answered. */
const maxHintsEach = 100;

/** What the rules find in a history, the newest last. */
export function watchAll(office: OfficeHours): Watch {
  const watches = Object.values(rules).map(({ watch }) => watch(office));
  return {
    take: (fact) => watches.forEach((watch) => watch.take(fact)),
    end: () =>
      watches
        .flatMap((watch) =>
          watch
            .end()
            .toSorted((a, b) => b.count - a.count)
            .slice(0, maxHintsEach),
        )
        .sort((a, b) => a.to.getTime() - b.to.getTime()),
  };
}
