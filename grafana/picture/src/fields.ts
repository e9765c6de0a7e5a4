// A panel's field configuration, applied to frames: defaults, overrides, and how values are written.

import {
  type DataFrame,
  type Field,
  type GrafanaTheme2,
  FieldType,
  cacheFieldDisplayNames,
  getDisplayProcessor,
  getFieldDisplayName,
} from '@grafana/data';

import type { Panel, Range } from './dashboard';
import { drawn } from './prometheus';

type Override = Panel['fieldConfig']['overrides'][number];

function matches({ matcher }: Override, field: Field, frame: DataFrame, frames: DataFrame[]): boolean {
  switch (matcher.id) {
    case 'byFrameRefID':
      return frame.refId === matcher.options;
    case 'byName':
      return getFieldDisplayName(field, frame, frames) === matcher.options;
    default:
      throw new Error(`an override that is not drawn here: ${matcher.id}`);
  }
}

function put(config: Record<string, any>, path: string, value: unknown): void {
  const [head, ...rest] = path.split('.');
  if (rest.length === 0) {
    config[head] = value;
  } else {
    config[head] = { ...config[head] };
    put(config[head], rest.join('.'), value);
  }
}

// JSON has no infinity: Grafana writes the base of thresholds as null.
function based(config: Record<string, any>): Record<string, any> {
  const thresholds = config.thresholds;
  if (thresholds === undefined) {
    return config;
  }
  const steps = thresholds.steps.map((step: any) => ({ ...step, value: step.value ?? -Infinity }));
  return { ...config, thresholds: { ...thresholds, steps } };
}

export function configured(frames: DataFrame[], panel: Panel, range: Range, theme: GrafanaTheme2): DataFrame[] {
  let seriesIndex = 0;
  const made = frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field): Field => {
      const config: Record<string, any> = { ...panel.fieldConfig.defaults, ...field.config };
      for (const each of panel.fieldConfig.overrides) {
        if (field.type !== FieldType.time && matches(each, field, frame, frames)) {
          each.properties.forEach(({ id, value }) => put(config, id, value));
        }
      }
      if (field.type === FieldType.time) {
        config.unit = undefined;
        config.min = config.max = undefined;
      }
      const isTime = field.type === FieldType.number && config.unit?.startsWith('dateTime');
      const values = isTime ? field.values.map((value) => drawn(value / 1000, range)) : field.values;
      const whole: Field = { ...field, values, config: based(config), state: {} };
      if (field.type === FieldType.number) {
        const present = field.values.filter((value) => value !== null);
        const [min, max] = [config.min ?? Math.min(...present), config.max ?? Math.max(...present)];
        whole.state = { seriesIndex: seriesIndex++, range: { min, max, delta: max - min } };
      }
      whole.display = getDisplayProcessor({ field: whole, theme });
      return whole;
    }),
  }));
  cacheFieldDisplayNames(made);
  return made;
}
