// Builds the page, serves it beside Prometheus, and takes a picture of each dashboard in a headless Chromium.
// Arguments: Prometheus' address, the directory of prepared dashboards, the directory of pictures, Chromium's path.

import { cp, readFile, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { build, preview } from 'vite';

const [prometheus, pages, pictures, browser] = process.argv.slice(2);
const WIDTH = 1600;
// As many as fit into the size: with fewer, lines of two colours become one.
const COLOURS = [255, 192, 128, 96];
const MOST_BYTES = 300_000;
const DEADLINE_MILLISECONDS = 60_000;
// No calls home; /dev/shm is small in containers.
const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];

const notDrawn = (error) => ({ empty: [], errors: [error.message], height: 1000 });

const root = import.meta.dirname;
const configuration = { root, configFile: false, logLevel: 'error', build: { outDir: 'out/page', chunkSizeWarningLimit: 1e5 } };
// Where Grafana's own server has them.
const modules = join(root, 'node_modules');
await cp(join(modules, '@grafana/ui/dist/public'), join(pages, 'public'), { recursive: true });
for (const [name, weight] of [['Regular', 400], ['Medium', 500]]) {
  const font = join(modules, `@fontsource/inter/files/inter-latin-${weight}-normal.woff2`);
  await cp(font, join(pages, `public/fonts/inter/Inter-${name}.woff2`));
}
await build({ ...configuration, publicDir: pages });
const server = await preview({
  ...configuration,
  preview: { host: '127.0.0.1', port: 0, proxy: { '/api': { target: prometheus } } },
});
const { port } = server.httpServer.address();
const chrome = await chromium.launch({ executablePath: browser, args: FLAGS, chromiumSandbox: false });
let failed = false;
try {
  for (const file of (await readdir(join(pages, 'pages'))).sort()) {
    failed = (await draw(basename(file, '.json'))) || failed;
  }
} finally {
  await chrome.close();
  await server.close();
}
process.exit(failed ? 1 : 0);

async function smallEnough(screenshot) {
  let made;
  for (const colours of COLOURS) {
    made = await sharp(screenshot).png({ palette: true, colours, effort: 10, dither: 0 }).toBuffer();
    if (made.length <= MOST_BYTES) break;
  }
  return made;
}

async function draw(name) {
  const page = await chrome.newPage({ viewport: { width: WIDTH, height: 1000 } });
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.stack ?? error.message));
  // Ages are told as of the recording's end.
  const { range } = JSON.parse(await readFile(join(pages, 'pages', `${name}.json`), 'utf8'));
  await page.clock.setFixedTime(1000 * range.to);
  await page.goto(`http://127.0.0.1:${port}/?page=${name}`);
  const told = page.waitForFunction(() => window.drawn, undefined, { timeout: DEADLINE_MILLISECONDS });
  const { empty, errors, height } = await told.then((handle) => handle.jsonValue(), notDrawn);
  // All of it in one view: what is below the view's end may not be painted.
  await page.setViewportSize({ width: WIDTH, height });
  const picture = await smallEnough(await page.screenshot());
  await page.close();
  await writeFile(join(pictures, `${name}.png`), picture);
  const tooLarge = picture.length > MOST_BYTES;
  console.log(`${name}.png: ${Math.round(picture.length / 1000)} kB${tooLarge ? `, more than ${MOST_BYTES / 1000}` : ''}`);
  empty.forEach((title) => console.log(`  empty: ${title}`));
  [...errors, ...problems].forEach((problem) => console.log(`  failed: ${problem}`));
  return tooLarge || errors.length + problems.length > 0;
}
