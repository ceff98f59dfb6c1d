/**
 * Reading the XML of the flow of before 2017. Flat and small: only the texts of elements without children are wanted.
 *
 * Guarantees: a document type, and with it every entity of a document's own, ends the reading; nothing is ever fetched;
 * elements that were complete before a flaw in the document still count, as the token may be among them.
 */
import sax from 'sax';

export interface XmlAnswer {
  /** Names of all elements, in lower case and without prefix: Concur is not of one mind about their spelling. */
  readonly elements: ReadonlySet<string>;
  /** Texts of the elements without children, trimmed, by the same names; of several the first. */
  readonly texts: ReadonlyMap<string, string>;
}

/** The answers have five elements, two deep. */
const MAX_ELEMENTS = 200;

/** Null when there is no element in it at all: plain text, JSON, HTML with its document type. */
export function parseXml(body: string): XmlAnswer | null {
  const elements = new Set<string>();
  const texts = new Map<string, string>();
  let count = 0;
  let isOver = false;
  /** Of the element that was opened last; null once it, or a child of its, was closed. */
  let text: string | null = null;

  const parser = sax.parser(true);
  const end = (): void => {
    isOver = true;
  };
  const read = (part: string): void => {
    if (!isOver && text !== null) text += part;
  };
  parser.onerror = end;
  parser.ondoctype = end;
  parser.ontext = read;
  parser.oncdata = read;
  parser.onopentag = ({ name }) => {
    count += 1;
    if (count > MAX_ELEMENTS) end();
    if (isOver) return;
    elements.add(localName(name));
    text = '';
  };
  parser.onclosetag = (name) => {
    if (isOver) return;
    const key = localName(name);
    if (text !== null && !texts.has(key)) texts.set(key, text.trim());
    text = null;
  };
  // In pieces, so that the parser is left as soon as it has had enough.
  for (let at = 0; at < body.length && !isOver; at += CHUNK) parser.write(body.slice(at, at + CHUNK));
  return elements.size === 0 ? null : { elements, texts };
}

const CHUNK = 4_096;

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1).toLowerCase();
}
