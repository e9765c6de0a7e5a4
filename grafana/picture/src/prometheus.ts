// Answers of Prometheus as Grafana's data frames.

import { type DataFrame, type Field, FieldType } from '@grafana/data';

import type { Mark, Range, Target } from './dashboard';

type Labels = Record<string, string>;
type Point = [number, string];
interface Series {
  metric: Labels;
  value?: Point;
  values?: Point[];
}

async function answer(path: string, parameters: Record<string, string | number>): Promise<Series[]> {
  const query = new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, String(value)]));
  const reply = await fetch(`/api/v1/${path}?${query}`);
  const body = await reply.json();
  if (body.status !== 'success') {
    throw new Error(`${parameters.query}: ${body.error}`);
  }
  return body.data.result;
}

// At whole steps, as Grafana asks: the same moments whenever it is asked.
function over(expr: string, range: Range, step: number) {
  const start = Math.floor(range.from / step) * step;
  return answer('query_range', { query: expr, start, end: range.to, step });
}

const now = (expr: string, range: Range) => answer('query', { query: expr, time: range.to });

// Milliseconds of the time that is drawn: the last moment is the clock's, and all before it is stretched.
export const drawn = (seconds: number, range: Range) => 1000 * (range.to + (seconds - range.to) * range.timeScale);

const number = (text: string) => (text === 'NaN' ? null : Number(text));

function named(format: string, labels: Labels): string {
  if (format === '__auto') {
    const rest = Object.entries(labels).filter(([name]) => name !== '__name__');
    return `${labels.__name__ ?? ''}{${rest.map(([name, value]) => `${name}="${value}"`).join(', ')}}`;
  }
  return format.replace(/{{\s*(\w+)\s*}}/g, (_, label) => labels[label] ?? '').trim();
}

// A frame for each series.
export async function lines(target: Target, range: Range): Promise<DataFrame[]> {
  const found = target.instant ? await now(target.expr, range) : await over(target.expr, range, target.step);
  return found.map(({ metric, value, values }) => {
    const points = values ?? [value!];
    const time: Field = {
      name: 'Time',
      type: FieldType.time,
      config: { interval: 1000 * Math.max(range.gap, 2 * target.step) * range.timeScale },
      values: points.map(([at]) => drawn(at, range)),
    };
    const numbers: Field = {
      name: 'Value',
      type: FieldType.number,
      config: { displayNameFromDS: named(target.legendFormat, metric) },
      labels: metric,
      values: points.map(([, text]) => number(text)),
    };
    return { refId: target.refId, fields: [time, numbers], length: points.length };
  });
}

// One frame for all series: a column for each label, and one for the value.
export async function rows(target: Target, range: Range, alone: boolean): Promise<DataFrame> {
  const found = await now(target.expr, range);
  const labels = [...new Set(found.flatMap(({ metric }) => Object.keys(metric)))];
  const column = (name: string, type: FieldType, values: unknown[]): Field => ({ name, type, config: {}, values });
  const fields = [
    column('Time', FieldType.time, found.map(({ value }) => 1000 * value![0])),
    ...labels.map((label) => column(label, FieldType.string, found.map(({ metric }) => metric[label] ?? ''))),
    column(alone ? 'Value' : `Value #${target.refId}`, FieldType.number, found.map(({ value }) => number(value![1]))),
  ];
  return { refId: target.refId, fields, length: found.length };
}

export interface Event {
  color: string;
  from: number;
  to: number;
}

// As Grafana makes annotations of a query. A mark at its value is there as long as the series is; one at the time of its
// samples goes on over those that have no gap between.
export async function events(mark: Mark, range: Range): Promise<Event[]> {
  const made: Event[] = [];
  const apart = mark.useValueForTime ? 0 : 1000 * range.gap * range.timeScale;
  for (const { values } of await over(mark.expr, range, range.step)) {
    let last: Event | undefined;
    for (const [at, text] of values!) {
      const value = Number(text);
      const time = drawn(mark.useValueForTime ? value / 1000 : at, range);
      if (last !== undefined && time <= last.to + apart) {
        last.to = time;
      } else if (value > 0) {
        last = { color: mark.iconColor, from: time, to: time };
        made.push(last);
      }
    }
  }
  return made.filter(({ to }) => to >= drawn(range.from, range));
}
