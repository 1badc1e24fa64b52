import { fixed, SHOWN_EXPERTS, type StripCell, type TokenFacts, visible } from './facts';
import { type ExpertName, inkOn, SOLID, solidVariable, type ThemeShade } from './palette';

/** A link of a hover: a command and a short id; data stay in the host. */
export interface HoverLink {
  readonly title: string;
  readonly command: string;
}

/** Room between the columns of a table, which hovers set close together. */
const WIDE = ' &ensp; ';
/** Cells of the weight bar at weight 1. */
const BAR = 30;
const EIGHTHS = ['', '\u258e', '\u258c', '\u258a'] as const;

/**
 * The hover of a token as Markdown, in a fixed order: token, experts, margin and entropy, strip over layers, links.
 * Everything that comes from files is escaped; spans carry only styles that VS Code lets through.
 */
export function hoverMarkdown(facts: TokenFacts, links: readonly HoverLink[], id: string, shade: ThemeShade, pager = ''): string {
  const rows = facts.experts.slice(0, SHOWN_EXPERTS);
  const hasLogits = rows.some(({ logit }) => logit !== null);
  const table = [
    `| expert&ensp; | weight |${WIDE}|${hasLogits ? `${WIDE}logit |` : ''}${WIDE}|`,
    `|:--|--:|:--|${hasLogits ? '--:|' : ''}:--|`,
    ...rows.map((expert) => `| ${badge(expert, expert.label, shade)} | ${fixed(expert.weight)} |&ensp;${bar(expert.weight, expert.hue)} |${hasLogits ? ` ${expert.logit === null ? '' : fixed(expert.logit)} |` : ''}&ensp;${expert.chosen ? 'chosen' : ''} |`),
  ];
  const margin = `margin ${fixed(facts.margin)}${facts.nearTie ? ' (near tie)' : ''}`;
  const entropy = `entropy ${fixed(facts.entropy)}${facts.mostEntropy === null ? '' : ` of ${fixed(facts.mostEntropy)}`} nats`;
  const head = `${codeSpan(visible(facts.text))} &ensp;token ${facts.position} of ${facts.of} · ${escapeMarkdown(facts.site)} · ${escapeMarkdown(facts.router)}${facts.whatIf ? ` · **what if:** ${escapeMarkdown(facts.whatIf.title)}` : ''}${pager ? ` · ${pager}` : ''}`;
  return [
    head,
    table.join('\n'),
    [margin, entropy, facts.chance, facts.uncertain ? 'place in the text uncertain' : ''].filter((part) => part !== '').join(' · '),
    stripMarkdown(facts.strip, shade),
    '---',
    links.map(({ title, command }) => `[${escapeMarkdown(title)}](command:${command}?${encodeURIComponent(JSON.stringify([id]))})`).join(' · '),
  ].join('\n\n');
}

function stripMarkdown(cells: readonly StripCell[], shade: ThemeShade): string {
  if (cells.length === 0) return '';
  const body = cells.map(({ top, current }) => (top === null ? '?' : badge(top, current ? `[${top.letter}]` : top.letter, shade))).join('');
  return `${cells[0].title} ${body} ${cells[cells.length - 1].title}`;
}

/** A letter or a name on its hue. The ink follows the hue's default, the hue itself the theme. */
function badge(name: ExpertName, text: string, shade: ThemeShade): string {
  return `<span style="color:${inkOn(SOLID[shade][name.hue])};background-color:${solidVariable(name.hue)};border-radius:2px;">&nbsp;${escapeMarkdown(text)}&nbsp;</span>`;
}

function bar(weight: number, hue: number): string {
  const cells = Math.min(1, Math.abs(weight)) * BAR;
  const text = '\u2588'.repeat(Math.floor(cells)) + EIGHTHS[Math.floor((cells % 1) * 4)];
  return text === '' ? '' : `<span style="color:${solidVariable(hue)};">${text}</span>`;
}

/** Text that Markdown and HTML leave as it is. */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/[\\`*_{}[\]()#+\-.!~|$:@]/g, '\\$&');
}

/** A code span whose fence is longer than any run of backticks inside. */
export function codeSpan(text: string): string {
  const longest = Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  const pad = text.startsWith('`') || text.endsWith('`') ? ' ' : '';
  return `${fence}${pad}${text.replace(/[\r\n]+/g, ' ')}${pad}${fence}`;
}
