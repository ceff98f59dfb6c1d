/** The one stylesheet of the sandbox's pages; colours follow the reader's light or dark setting. */
export const stylesheet = `
:root {
  color-scheme: light dark;
  --page: #f5f6f8; --card: #ffffff; --line: #dde1e7; --text: #1b2430; --soft: #566275; --accent: #0b5cad;
  --on-accent: #ffffff; --accent-soft: #e6f0fa; --good: #17683a; --good-soft: #e2f4e8; --warn: #855000;
  --warn-soft: #fdf0d8; --bad: #a3262a; --bad-soft: #fbe6e6; --field: #ffffff;
  --mono: ui-monospace, 'SF Mono', SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161c; --card: #1a2029; --line: #303947; --text: #e7ecf3; --soft: #a3afc0; --accent: #79b8f7;
    --on-accent: #0d1a28; --accent-soft: #1c3048; --good: #7fd6a0; --good-soft: #17321f; --warn: #f0c06c;
    --warn-soft: #382a10; --bad: #f59a9a; --bad-soft: #3d1d1f; --field: #12161c;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif; }
a { color: var(--accent); }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible, summary:focus-visible {
  outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 6px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .4rem .8rem; z-index: 1; }
.top { background: var(--card); border-bottom: 1px solid var(--line); }
.top > div { max-width: 72rem; margin: 0 auto; padding: .7rem 1.5rem; display: flex; flex-wrap: wrap; gap: .4rem 1.6rem;
  align-items: center; }
.brand { font-weight: 650; color: var(--text); text-decoration: none; display: flex; gap: .6rem; align-items: center; }
.brand svg { display: block; }
.top nav { display: flex; flex-wrap: wrap; gap: .2rem; }
.top nav a { color: var(--soft); text-decoration: none; padding: .3rem .7rem; border-radius: 8px; }
.top nav a:hover { color: var(--text); background: var(--page); }
.top nav a[aria-current] { color: var(--accent); background: var(--accent-soft); font-weight: 600; }
main { max-width: 72rem; margin: 0 auto; padding: 1.6rem 1.5rem 3rem; }
footer { max-width: 72rem; margin: 0 auto; padding: 1rem 1.5rem 2rem; color: var(--soft); font-size: 13px; }
h1 { font-size: 1.65rem; line-height: 1.25; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.12rem; margin: 2.2rem 0 .8rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: .3rem 0 .8rem; }
.lead, .soft { color: var(--soft); }
.lead { max-width: 46rem; margin-top: .5rem; }
.small { font-size: 13px; }
.head { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: center; }
.crumb { font-size: 13px; margin: 0 0 .5rem; }
.facts { display: flex; flex-wrap: wrap; gap: .3rem 1.8rem; margin: .8rem 0 0; font-size: 14px; }
.facts div { display: flex; gap: .5rem; align-items: baseline; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; }
code, .mono { font-family: var(--mono); font-size: .88em; overflow-wrap: anywhere; }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(19.5rem, 100%), 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 1.1rem 1.2rem;
  display: flex; flex-direction: column; gap: .7rem; }
.card > p { margin: 0; }
@media (min-width: 50rem) { .grid.two { grid-template-columns: 1fr 1fr; } }
a.card { color: inherit; text-decoration: none; transition: border-color .12s; }
a.card:hover { border-color: var(--accent); }
.spread { display: flex; justify-content: space-between; gap: .8rem; align-items: flex-start; }
.row { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
.row form { margin: 0; }
.row.low { align-items: flex-end; } .row form.fields { flex: 1 1 14rem; }
pre { margin: 0; overflow-x: auto; }
time { white-space: nowrap; }
.push { margin-top: auto; padding-top: .3rem; }
.after { margin-top: .7rem; }
.pill { display: inline-flex; gap: .4rem; align-items: center; padding: .08rem .6rem; border-radius: 99px; font-size: 12.5px;
  font-weight: 600; background: var(--page); color: var(--soft); border: 1px solid var(--line); white-space: nowrap; }
.pill::before { content: ''; width: .5em; height: .5em; border-radius: 50%; background: currentColor; }
.pill.plain::before { content: none; }
.pill.good { background: var(--good-soft); color: var(--good); border-color: transparent; }
.pill.warn { background: var(--warn-soft); color: var(--warn); border-color: transparent; }
.pill.bad { background: var(--bad-soft); color: var(--bad); border-color: transparent; }
button { font: inherit; font-size: 14px; font-weight: 600; border-radius: 9px; border: 1px solid var(--line); padding: 0 .85rem;
  height: 2.35rem; background: var(--card); color: var(--text); cursor: pointer; }
button:hover:not(:disabled) { border-color: var(--accent); }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
button.primary:hover:not(:disabled) { filter: brightness(1.08); }
button.danger { color: var(--bad); }
button:disabled { cursor: not-allowed; background: var(--page); color: var(--soft); border-color: var(--line); }
.people { display: flex; flex-wrap: wrap; gap: .6rem; padding: 0; margin: 0; list-style: none; }
.person { display: flex; gap: .7rem; align-items: center; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; padding: .55rem .9rem; color: inherit; text-decoration: none; }
.person[aria-current] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
.person .face { width: 2.1rem; height: 2.1rem; border-radius: 50%; background: var(--accent-soft); color: var(--accent);
  display: grid; place-items: center; font-weight: 650; font-size: 13px; }
.person strong { display: block; line-height: 1.3; }
form.fields { display: flex; flex-wrap: wrap; gap: .7rem; align-items: flex-end; margin: 0; }
.field { display: grid; gap: .2rem; flex: 1 1 10.5rem; min-width: 0; } .card > .field { flex: none; }
.field label { font-size: 13px; color: var(--soft); }
input, select { font: inherit; color: inherit; background: var(--field); border: 1px solid var(--line); border-radius: 9px;
  padding: 0 .6rem; width: 100%; min-width: 0; height: 2.35rem; }
input[type=checkbox], input[type=radio] { width: auto; }
.notice { border: 1px solid var(--line); border-left: 4px solid var(--accent); background: var(--card); border-radius: 10px;
  padding: .8rem 1rem; margin: 0 0 1.4rem; }
.notice.bad { border-left-color: var(--bad); }
.notice p { margin: 0; } .notice dl { margin: .5rem 0 0; display: grid; grid-template-columns: auto 1fr; gap: .2rem 1rem; }
.notice dt { color: var(--soft); } .notice dd { margin: 0; user-select: all; }
.scroll { position: relative; overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 14px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
caption { text-align: left; padding: .8rem 1rem .4rem; font-weight: 600; }
caption .soft { font-weight: 400; }
th, td { text-align: left; padding: .5rem 1rem; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; color: var(--soft); font-size: 12.5px; font-weight: 600; white-space: nowrap; }
caption + thead th { border-top: 1px solid var(--line); }
th.num, td.num { text-align: right; font-variant-numeric: tabular-nums; }
.stack { display: grid; gap: 1rem; } .stack > * { min-width: 0; }
.empty { border: 1px dashed var(--line); border-radius: 14px; padding: 1.2rem; color: var(--soft); margin: 0; }
details > summary { cursor: pointer; color: var(--accent); }
@media (max-width: 40rem) { main { padding: 1.2rem 1rem 2rem; } th, td { padding: .45rem .7rem; } }
`;

/** Connect opens another window; whoever comes back from it finds the page as it is now. */
export const script = `
let away = false;
addEventListener('submit', (event) => { if (event.target.target === '_blank') away = true; });
document.addEventListener('visibilitychange', () => { if (away && !document.hidden) location.reload(); });
`;
