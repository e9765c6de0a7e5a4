// Panels by their type, each drawn with the component that Grafana draws it with.

import {
  type DataFrame,
  type FieldDisplay,
  type TimeRange,
  VizOrientation,
  dateTime,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from '@grafana/data';
import {
  BigValue,
  type BigValueColorMode,
  type BigValueGraphMode,
  TimeSeries,
  type UPlotConfigBuilder,
  VizRepeater,
  useTheme2,
} from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { useLayoutEffect } from 'react';
import { firstValueFrom } from 'rxjs';

import type { Panel, Range, Target } from './dashboard';
import { configured } from './fields';
import { type Event, drawn, lines, rows } from './prometheus';

const { mergeTransformer, organizeFieldsTransformer } = standardTransformers;
standardTransformersRegistry.setInit(() =>
  [mergeTransformer, organizeFieldsTransformer].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation,
    editor: () => null,
    imageDark: '',
    imageLight: '',
  }))
);

export interface Size {
  width: number;
  height: number;
}

interface Drawn extends Size {
  panel: Panel;
  frames: DataFrame[];
  range: Range;
  events: Event[];
}

const QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95];

// What a panel has no data of is said. Heatmaps and state timelines live in Grafana's core: the same query is drawn as lines instead.
export function note(panel: Panel): string {
  if (panel.notPlayed !== null) {
    return panel.notPlayed;
  }
  switch (panel.type) {
    case 'heatmap':
      return 'a heatmap in Grafana, its quantiles here';
    case 'state-timeline':
      return 'a state timeline in Grafana, lines here';
    default:
      return '';
  }
}

export async function asked(panel: Panel, range: Range): Promise<DataFrame[]> {
  if (panel.type === 'table') {
    const alone = panel.targets.length === 1;
    const found = await Promise.all(panel.targets.map((target) => rows(target, range, alone)));
    return firstValueFrom(transformDataFrame(panel.transformations, found));
  }
  const targets = panel.type === 'heatmap' ? panel.targets.flatMap(quantiles) : panel.targets;
  return (await Promise.all(targets.map((target) => lines(target, range)))).flat();
}

function quantiles(target: Target): Target[] {
  return QUANTILES.map((q) => ({
    ...target,
    expr: `histogram_quantile(${q}, ${target.expr}) > -Inf`,
    legendFormat: `${100 * q} % below`,
  }));
}

export function DrawnPanel(props: Drawn) {
  if (props.panel.type !== 'stat' && !props.frames.some(({ length }) => length > 0)) {
    return <p style={{ textAlign: 'center', paddingTop: props.height / 3 }}>No data</p>;
  }
  switch (props.panel.type) {
    case 'stat':
      return <Stat {...props} />;
    case 'table':
      return <Table {...props} />;
    case 'heatmap':
      return <Lines {...props} custom={LINES} />;
    case 'state-timeline':
      return <Lines {...props} custom={STEPS} states={states(props.panel)} />;
    case 'timeseries':
      return <Lines {...props} />;
    default:
      return <p>Not drawn here: {props.panel.type}</p>;
  }
}

const LINES = { drawStyle: 'line', lineWidth: 1, showPoints: 'never' };
const STEPS = { ...LINES, lineWidth: 2, lineInterpolation: 'stepAfter' };

// From the least to the largest value that has a name, and no tick between two.
function states(panel: Panel) {
  const values = panel.fieldConfig.defaults.mappings!.flatMap(({ options }) => Object.keys(options).map(Number));
  return { decimals: 0, min: Math.min(...values), max: Math.max(...values) };
}

const LEGEND = { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] };

function Lines({ panel, frames, range, events, width, height, custom, states }: Drawn & { custom?: object; states?: object }) {
  const theme = useTheme2();
  const { defaults } = panel.fieldConfig;
  const asLines = custom ? { ...defaults, ...states, color: { mode: 'palette-classic' }, custom } : defaults;
  const shown = configured(frames, { ...panel, fieldConfig: { ...panel.fieldConfig, defaults: asLines } }, range, theme);
  const [from, to] = [dateTime(drawn(range.from, range)), dateTime(drawn(range.to, range))];
  const timeRange: TimeRange = { from, to, raw: { from, to } };
  return (
    <TimeSeries
      frames={shown}
      timeRange={timeRange}
      timeZone="utc"
      width={width}
      height={height}
      legend={(custom ? LEGEND : panel.options.legend) as any}
    >
      {(builder) => <Marks builder={builder} events={events} />}
    </TimeSeries>
  );
}

function Marks({ builder, events }: { builder: UPlotConfigBuilder; events: Event[] }) {
  const theme = useTheme2();
  useLayoutEffect(() => {
    builder.addHook('draw', (plot) => {
      const { ctx, bbox } = plot;
      const x = (time: number) => Math.round(plot.valToPos(time, 'x', true));
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      for (const { color, from, to } of events) {
        ctx.fillStyle = ctx.strokeStyle = theme.visualization.getColorByName(color);
        ctx.globalAlpha = 0.1;
        ctx.fillRect(x(from), bbox.top, x(to) - x(from), bbox.height);
        ctx.globalAlpha = 1;
        ctx.setLineDash([4, 4]);
        ctx.beginPath();
        ctx.moveTo(x(from), bbox.top);
        ctx.lineTo(x(from), bbox.top + bbox.height);
        ctx.stroke();
      }
      ctx.restore();
    });
  }, [builder, events, theme]);
  return null;
}

function Stat({ panel, frames, range, width, height }: Drawn) {
  const theme = useTheme2();
  const { options } = panel;
  const shown = configured(frames, panel, range, theme);
  const values = getFieldDisplayValues({
    data: shown,
    fieldConfig: panel.fieldConfig,
    reduceOptions: options.reduceOptions,
    replaceVariables: (text) => text,
    sparkline: options.graphMode !== 'none',
    theme,
  });
  if (values.length === 0) {
    const nothing = { text: panel.fieldConfig.defaults.noValue ?? 'No data', numeric: NaN, color: theme.colors.text.secondary };
    return <BigValue value={nothing} width={width} height={height} theme={theme} colorMode={'value' as BigValueColorMode} graphMode={'none' as BigValueGraphMode} />;
  }
  return (
    <VizRepeater<FieldDisplay>
      getValues={() => values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, width, height, count, alignmentFactors }) => (
        <BigValue
          value={value.display}
          count={count}
          sparkline={value.sparkline}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={options.textMode}
          alignmentFactors={alignmentFactors as any}
          width={width}
          height={height}
          theme={theme}
        />
      )}
      width={width}
      height={height}
      source={shown}
      itemSpacing={3}
      renderCounter={0}
      autoGrid
      orientation={VizOrientation.Auto}
    />
  );
}

function Table({ panel, frames, range, width, height }: Drawn) {
  const theme = useTheme2();
  const [frame] = configured(frames, panel, range, theme);
  return (
    <TableNG
      data={frame}
      width={width}
      height={height}
      cellHeight={panel.options.cellHeight}
      initialSortBy={panel.options.sortBy}
      enableVirtualization={false}
      fieldConfig={panel.fieldConfig}
    />
  );
}
