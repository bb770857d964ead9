// Markdown renderer for model cards: headings, paragraphs, lists, tables, code, emphasis, links and the version's own
// figures. Everything else, HTML in particular, is shown as text.
import { h } from "../dom.js";

/**
 * The card as elements.
 *
 * @param {string} text Markdown; front matter between two lines of --- is omitted
 * @param {(name: string) => string} figure address of a figure such as "history.png"
 * @returns {Node[]}
 */
export function rendered(text, figure) {
  const lines = withoutFrontMatter(text.replaceAll("\r\n", "\n").split("\n"));
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    const rule = RULES.find(({ begins }) => begins(lines, at));
    const end = rule.end(lines, at);
    const block = rule.draw(lines.slice(at, end), figure);
    if (block) blocks.push(block);
    at = end;
  }
  return blocks;
}

const HEADING = /^(#{1,6})\s+(.*)$/;
const ITEM = /^\s*[-*]\s+(.*)$/;
const FENCE = /^```/;
const DIVIDER = /^\s*\|?[\s:|-]+\|?\s*$/;
const isTable = (lines, at) => lines[at].trim().startsWith("|") && at + 1 < lines.length && DIVIDER.test(lines[at + 1]);
const isSpecial = (lines, at) => lines[at].trim() === "" || HEADING.test(lines[at]) || ITEM.test(lines[at]) || FENCE.test(lines[at]) || isTable(lines, at);

function until(stops) {
  return (lines, at) => {
    let end = at + 1;
    while (end < lines.length && !stops(lines, end)) end += 1;
    return end;
  };
}

const RULES = [
  { begins: (lines, at) => lines[at].trim() === "", end: (_, at) => at + 1, draw: () => null },
  {
    begins: (lines, at) => FENCE.test(lines[at]),
    end: (lines, at) => Math.min(lines.length, until((all, end) => FENCE.test(all[end]))(lines, at) + 1),
    draw: (lines) => h("pre", h("code", lines.slice(1).filter((line) => !FENCE.test(line)).join("\n"))),
  },
  {
    begins: (lines, at) => HEADING.test(lines[at]),
    end: (_, at) => at + 1,
    draw: ([line], figure) => {
      const [, marks, title] = HEADING.exec(line);
      // The page itself uses the first two levels.
      return h(`h${Math.min(6, marks.length + 2)}`, inline(title, figure));
    },
  },
  {
    begins: isTable,
    end: until((lines, end) => !lines[end].trim().startsWith("|")),
    draw: (lines, figure) => table(lines.filter((_, row) => row !== 1).map(cells), figure),
  },
  {
    begins: (lines, at) => ITEM.test(lines[at]),
    end: until((lines, end) => !ITEM.test(lines[end])),
    draw: (lines, figure) => h("ul", lines.map((line) => h("li", inline(ITEM.exec(line)[1], figure)))),
  },
  { begins: () => true, end: until(isSpecial), draw: (lines, figure) => h("p", inline(lines.join(" "), figure)) },
];

function withoutFrontMatter(lines) {
  if (lines[0]?.trim() !== "---") return lines;
  const end = lines.indexOf("---", 1);
  return end < 0 ? lines : lines.slice(end + 1);
}

function cells(line) {
  return line.trim().replace(/^\|/, "").replace(/\|$/, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function table([head, ...rows], figure) {
  const hasHead = head.some((cell) => cell !== "");
  return h("div.table-box", { tabindex: 0, role: "group", "aria-label": head.filter(Boolean).join(", ") || "Figures" }, h("table",
    hasHead && h("thead", h("tr", head.map((cell) => h("th", { scope: "col" }, inline(cell, figure))))),
    h("tbody", rows.map((row) => h("tr", row.map((cell, place) => (place === 0 ? h("th", { scope: "row" }, inline(cell, figure)) : h("td", inline(cell, figure)))))))));
}

const INLINE = /!\[([^\]]*)\]\(figures\/([a-z0-9_-]+\.png)\)|(?<!!)\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)|`([^`]+)`|\*\*([^*]+)\*\*/;

function inline(text, figure) {
  const found = INLINE.exec(text);
  if (found === null) return [text];
  const [whole, alt, picture, words, target, code, strong] = found;
  let element;
  if (picture) element = h("img", { src: figure(picture), alt });
  else if (target) element = h("a", { href: target, rel: "noopener noreferrer" }, words);
  else if (code) element = h("code", code);
  else element = h("strong", strong);
  return [text.slice(0, found.index), element, ...inline(text.slice(found.index + whole.length), figure)];
}
