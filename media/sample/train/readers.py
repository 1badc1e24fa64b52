"""Turns one file of a source into documents: (name, text) pairs of plain text."""
import csv
import gzip
import html
import io
import json
import re
import zlib
from html.parser import HTMLParser


def _raw(path):
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def _text(path):
    data = _raw(path)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def tidy(text):
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").replace("\xad", "").replace("\xa0", " ")
    text = "".join(c for c in text if c in "\n\t" or ord(c) >= 32)
    text = re.sub(r"[ \t]+\n", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def plain(path):
    yield path.stem, _text(path)


class _Page(HTMLParser):
    SKIP = {"script", "style", "nav", "head", "footer", "header", "svg", "button", "select"}
    BREAK = {"p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "dt", "dd", "br", "section", "table", "ul", "ol", "item", "name", "desc"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.out, self.depth, self.pre = [], 0, 0

    def handle_starttag(self, tag, attrs):
        if tag in self.SKIP:
            self.depth += 1
        if tag == "pre":
            self.pre += 1
            self.out.append("\n\n")
        elif tag in ("p", "h1", "h2", "h3", "h4", "item"):
            self.out.append("\n\n")
        elif tag in self.BREAK:
            self.out.append("\n")
        elif tag in ("td", "th"):
            self.out.append(" ")

    def handle_endtag(self, tag):
        if tag in self.SKIP:
            self.depth = max(0, self.depth - 1)
        if tag == "pre":
            self.pre = max(0, self.pre - 1)
            self.out.append("\n\n")
        elif tag in ("p", "h1", "h2", "h3", "h4"):
            self.out.append("\n\n")

    def handle_data(self, data):
        if not self.depth:
            self.out.append(data if self.pre else re.sub(r"\s+", " ", data))


def _fromHtml(text):
    page = _Page()
    page.feed(text)
    lines = "".join(page.out).replace("¶", "").split("\n")
    return "\n".join(line.rstrip() if line.startswith("  ") else line.strip() for line in lines)


def htmlPage(path):
    text = _text(path)
    yield path.parent.name + "/" + path.stem, text if path.name.endswith((".txt", ".txt.gz")) else _fromHtml(text)


GLYPHS = {"aq": "'", "cq": "'", "oq": "'", "dq": '"', "lq": '"', "rq": '"', "em": "-", "en": "-", "hy": "-", "bu": "*",
          "co": "(c)", "rs": "\\", "ti": "~", "ha": "^", "ga": "`", "mu": "*", "la": "<", "ra": ">", "+-": "+-", "->": "->",
          "ss": "ß", "Fo": "«", "Fc": "»", "fo": "‹", "fc": "›", "bq": "„", "<=": "<=", ">=": ">=", "mi": "-", "pl": "+"}


def _inline(line):
    line = re.sub(r"\\f(\[[^\]]*\]|\(..|.)", "", line)
    line = re.sub(r"\\s[+-]?\d+", "", line)
    line = re.sub(r"\\\*?\[(\w\w)\]|\\\*?\((..)", lambda m: GLYPHS.get(m.group(1) or m.group(2), ""), line)
    line = re.sub(r"\\\"[^\n]*", "", line)
    line = line.replace("\\-", "-").replace("\\&", "").replace("\\e", "\\").replace("\\ ", " ").replace("\\~", " ")
    line = line.replace("\\%", "").replace("\\:", "").replace("\\|", "").replace("\\^", "").replace("\\'", "'").replace("\\`", "`").replace("\\c", "")
    return line


def man(path):
    out = []
    for line in _text(path).split("\n"):
        if line.startswith((".\\\"", "'\\\"", ".TH", ".de", ".ie", ".el", ".if", ".ds", ".nr", ".so", "..", "'br", ".Dd", ".Os", ".Dt")):
            continue
        heading = re.match(r"\.S[Hhs]\s+(.*)", line)
        if heading:
            out.append("\n" + _inline(heading.group(1)).replace('"', "") + "\n")
        elif re.match(r"\.(PP|P|LP|TP|IP|RS|RE|sp|HP|Pp|br|nf|fi|EX|EE|in|ad|hy|It|Bl|El|TS|UE|ti)\b", line):
            mark = re.match(r'\.IP\s+("[^"]*"|\S+)', line)
            out.append("\n" + _inline(mark.group(1)).replace('"', "") + " " if mark else "\n" if out and not out[-1].endswith("\n\n") else "")
        elif line.startswith("."):
            words = re.sub(r"^\.\s*\w+\s*", "", line)
            joined = re.match(r"\.(BR|RB|BI|IB|IR|RI)\b", line)
            parts = re.findall(r'"((?:[^"]|"")*)"|(\S+)', _inline(words))
            out.append(("" if joined else " ").join(a or b for a, b in parts) + "\n")
        else:
            out.append(_inline(line) + "\n")
    text = "".join(out)
    yield path.name.split(".")[0] + "/" + path.parent.name, re.sub(r"\n[ ]+(?=\S)", lambda m: m.group(0), text)


def gutenberg(path):
    """Cuts the distributor's preamble and small print away and keeps the work itself."""
    text = _text(path)
    for mark in (r"\*END\*? ?THE SMALL PRINT.*", r"\*\*\* ?START OF .*", r"\*END THE SMALL PRINT.*"):
        found = list(re.finditer(mark, text))
        if found:
            text = text[found[-1].end():]
    ends = [m.start() for m in re.finditer(r"End of (the |this )?Project Gutenberg|\*\*\* ?END OF", text) if m.start() > len(text) // 2]
    text = text[: min(ends)] if ends else text
    lines = [line for line in text.split("\n") if not re.search(r"gutenberg|etext", line, re.I)]
    yield path.stem.replace("_gut", ""), "\n".join(lines)


def austen(path):
    """Reads the character vectors out of an R lazy-load database: chunks of zlib-packed XDR serialisation."""
    data = path.read_bytes()
    at = data.find(b"\x78\x9c")
    while at >= 0:
        unpack = zlib.decompressobj()
        try:
            chunk = unpack.decompress(data[at:])
            at = data.find(b"\x78\x9c", len(data) - len(unpack.unused_data))
        except zlib.error:
            at = data.find(b"\x78\x9c", at + 2)
            continue
        lines, i = [], chunk.find(b"\x00\x00\x00\x10")
        if i < 0 or len(chunk) < 100_000:
            continue
        i += 8
        while i + 8 <= len(chunk) and chunk[i + 3] == 9:
            length = int.from_bytes(chunk[i + 4:i + 8], "big", signed=True)
            lines.append(chunk[i + 8:i + 8 + max(0, length)].decode("utf-8", "replace"))
            i += 8 + max(0, length)
        if len(lines) > 500:
            title = next(line for line in lines if line.strip())
            yield title.lower().split(" by ")[0].replace("&", "and"), "\n".join(lines)


def dictionary(path):
    text = _text(path)
    yield path.name.split(".")[0], text[text.find("\n\n"):]


def conversations(path):
    text, turns = _text(path), []
    body = text.split("conversations:", 1)[-1]
    for line in body.split("\n"):
        said = re.match(r"\s*(- )?\s*- (.*)", line)
        if not said or not said.group(2).strip():
            continue
        words = said.group(2).strip().strip("'\"").lstrip("- ").strip()
        if said.group(1) or line.startswith("- - "):
            turns.append("")
            turns.append("A: " + words)
        else:
            turns.append("B: " + words)
    yield path.stem, "\n".join(turns)


def licences(path):
    data = json.loads(_text(path))
    for name, entry in (data.items() if path.name == "spdx-full.json" else [(path.stem, data)]):
        body = entry.get("licenseText") or entry.get("text") or ""
        if body:
            yield name, entry.get("name", name) + "\n\n" + body


def _strip(text):
    return html.unescape(re.sub(r"<[^>]+>", " ", text)).replace("  ", " ").strip()


def _facts(node, trail=()):
    for key, value in node.items():
        if isinstance(value, dict):
            if isinstance(value.get("text"), str):
                yield trail + (key,), _strip(value["text"])
            else:
                yield from _facts(value, trail + (key,))


def factbookProse(path):
    facts = [(t, v) for t, v in _facts(json.loads(_text(path))) if len(v) > 220 and v.count(". ") > 1]
    yield path.stem, "\n\n".join(t[-1] + "\n" + v for t, v in facts)


def factbookTable(path):
    facts = [(t, v) for t, v in _facts(json.loads(_text(path))) if len(v) <= 160]
    section, out = None, []
    for trail, value in facts:
        if trail[0] != section:
            section = trail[0]
            out.append("\n| " + section + " | value |\n|---|---|")
        out.append("| " + " / ".join(trail[1:]) + " | " + value + " |")
    yield path.stem, "\n".join(out)


def recordTable(path):
    for records in json.loads(_text(path)).values():
        if not isinstance(records, list):
            continue
        columns = list(dict.fromkeys(k for r in records for k in r if k not in ("comment", "flag", "common_name")))
        sheet = io.StringIO()
        writer = csv.writer(sheet, delimiter=",", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([[r.get(c, "") for c in columns] for r in records])
        yield path.stem, sheet.getvalue()


def banking(path):
    """Customer questions, twenty to a document; the intent names stay out."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row["text"].strip().replace("\n", " ") for row in csv.DictReader(file)]
    order = sorted(range(len(rows)), key=lambda i: zlib.crc32(rows[i].encode()))
    for at in range(0, len(rows), 20):
        yield f"{path.stem}-{at // 20:04d}", "\n".join(rows[i] for i in order[at:at + 20])


READERS = {"plain": plain, "html": htmlPage, "man": man, "gutenberg": gutenberg, "austen": austen, "dictionary": dictionary,
           "conversations": conversations, "licences": licences, "factbookProse": factbookProse,
           "factbookTable": factbookTable, "recordTable": recordTable, "banking": banking}
