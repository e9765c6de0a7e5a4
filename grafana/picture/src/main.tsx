// One dashboard, at the places of its JSON. The address says which: /?page=on-call

import { type DataFrame, ThemeContext, createTheme } from '@grafana/data';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

import type { Page, Panel } from './dashboard';
import { DrawnPanel, asked, note } from './panels';
import { type Event, events } from './prometheus';

declare global {
  interface Window {
    // What was drawn, for who waits to take the picture: titles of panels without data, and what went wrong.
    drawn?: { empty: string[]; errors: string[]; height: number };
  }
}

const ROW = 30;
const GAP = 8;
const COLUMNS = 24;
const theme = createTheme({ colors: { mode: 'dark' } });

interface Answered {
  panel: Panel;
  frames: DataFrame[];
}

function Sheet({ page, answered, marks }: { page: Page; answered: Answered[]; marks: Event[] }) {
  const column = (document.body.clientWidth - GAP) / COLUMNS;
  const place = ({ x, y, w, h }: Panel['gridPos']) => ({
    position: 'absolute' as const,
    left: GAP + x * column,
    top: y * (ROW + GAP),
    width: w * column - GAP,
    height: h * (ROW + GAP) - GAP,
  });
  const { dashboard } = page;
  const rows = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  const variables = dashboard.templating.list.filter(({ hide, current }) => hide === 0 && current.text !== undefined);
  return (
    <>
      <header style={{ padding: `12px ${GAP + 4}px` }}>
        <h3 style={{ margin: 0 }}>{dashboard.title}</h3>
        <div style={{ color: theme.colors.text.secondary }}>
          {variables.map(({ label, current }) => `${label}: ${[current.text].flat().join(' + ')}`).join('   ·   ')}
        </div>
        <div style={{ color: theme.colors.text.secondary }}>{page.note}</div>
      </header>
      <main style={{ position: 'relative', height: rows * (ROW + GAP) }}>
        {dashboard.panels
          .filter(({ type }) => type === 'row')
          .map((row) => (
            <h5 key={row.id} style={{ ...place(row.gridPos), margin: 0, paddingTop: 6 }}>
              {row.title}
            </h5>
          ))}
        {answered.map(({ panel, frames }) => {
          const { width, height, ...position } = place(panel.gridPos);
          return (
            <div key={panel.id} style={position}>
              <PanelChrome title={panel.title} width={width} height={height} titleItems={<Note text={note(panel)} />}>
                {(width, height) => (
                  <DrawnPanel panel={panel} frames={frames} range={page.range} events={marks} width={width} height={height} />
                )}
              </PanelChrome>
            </div>
          );
        })}
      </main>
    </>
  );
}

const Note = ({ text }: { text: string }) => (
  <em style={{ color: theme.colors.text.disabled, fontSize: 12, whiteSpace: 'nowrap' }}>{text}</em>
);

// A line that others are held against says nothing by itself.
function isEmpty({ panel, frames }: Answered): boolean {
  const limits = panel.fieldConfig.overrides.filter(({ matcher }) => matcher.id === 'byFrameRefID');
  const letters = limits.map(({ matcher }) => matcher.options);
  return !frames.some(({ refId, length }) => length > 0 && !letters.includes(refId));
}

function Whole() {
  const [sheet, setSheet] = useState<{ page: Page; answered: Answered[]; marks: Event[] }>();
  useEffect(() => {
    void read().then(setSheet, (problem) => {
      window.drawn = { empty: [], errors: [String(problem)], height: 1000 };
    });
  }, []);
  useEffect(() => {
    if (sheet !== undefined) {
      const without = sheet.answered.filter((each) => each.panel.notPlayed === null && isEmpty(each));
      const empty = without.map(({ panel }) => panel.title);
      // Plots are drawn a frame after they were made.
      setTimeout(() => (window.drawn = { empty, errors: [], height: document.body.scrollHeight }), 500);
    }
  }, [sheet]);
  return sheet === undefined ? null : <Sheet {...sheet} />;
}

async function read() {
  const name = new URLSearchParams(location.search).get('page');
  const page: Page = await (await fetch(`/pages/${name}.json`)).json();
  const panels = page.dashboard.panels.filter(({ type }) => type !== 'row');
  const answered = await Promise.all(panels.map(async (panel) => ({ panel, frames: await asked(panel, page.range) })));
  const marks = await Promise.all(page.dashboard.annotations.list.map((mark) => events(mark, page.range)));
  return { page, answered, marks: marks.flat() };
}

createRoot(document.getElementById('page')!).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <Whole />
  </ThemeContext.Provider>
);
