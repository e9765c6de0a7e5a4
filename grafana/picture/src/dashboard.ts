// What is read of a dashboard's classic JSON, as grafana/picture/asking.py prepared it: no variables are left in it.

import type { FieldConfigSource } from '@grafana/data';

export interface Target {
  refId: string;
  expr: string;
  legendFormat: string;
  format: 'time_series' | 'table' | 'heatmap';
  instant: boolean;
  // Seconds between two points.
  step: number;
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: Target[];
  fieldConfig: FieldConfigSource;
  options: Record<string, any>;
  transformations: Array<{ id: string; options: any }>;
  notPlayed: string | null;
}

export interface Mark {
  name: string;
  iconColor: string;
  expr: string;
  useValueForTime: boolean;
}

export interface Dashboard {
  title: string;
  panels: Panel[];
  annotations: { list: Mark[] };
  templating: { list: Array<{ label: string; hide: number; current: { text?: string | string[] } }> };
}

// Unix seconds of Prometheus' clock, and how much faster the time goes by that is drawn.
export interface Range {
  from: number;
  to: number;
  step: number;
  // What is further apart is a gap.
  gap: number;
  timeScale: number;
}

export interface Page {
  dashboard: Dashboard;
  range: Range;
  note: string;
}
