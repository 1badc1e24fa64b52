/** Margin at which a hue is full, share of the hue at margin zero, as the page draws them on its fixed scale. */
const FULL = 0.45;
const LEAST = 0.3;
/** Channels may differ by this much: margins in the table have three digits. */
const TOLERANCE = 5;

/**
 * Compares the pixels of the first line of the routing page's raster with the table behind it: the colour of each cell must be the hue of
 * its expert at the strength of its margin, one hue for each letter. For traces of at most 12 rows and 8 experts.
 * @param {import('playwright-core').Page | import('playwright-core').FrameLocator} frame
 * @returns {Promise<{cells: number, wrong: string[]}>}
 */
export async function checkRaster(frame) {
  await frame.locator('.reader').focus();
  await frame.locator('.reader').press('t');
  const table = await frame.locator('.table-scroll tbody tr').evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent ?? '')));
  await frame.locator('.table-scroll').press('Escape');
  await frame.locator('dialog.tables:not([open])').waitFor({ state: 'attached' });
  const drawn = await frame.locator('body').evaluate(() => {
    const channels = (colour) => {
      const ink = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d');
      ink.fillStyle = colour;
      ink.fillRect(0, 0, 1, 1);
      return [...ink.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const style = getComputedStyle(document.body);
    const line = document.querySelector('.line');
    const canvas = line.querySelector('canvas');
    const ratio = canvas.width / canvas.getBoundingClientRect().width;
    // The page's canvas holds a finished picture; its pixels are read from a copy.
    const ink = Object.assign(document.createElement('canvas'), { width: canvas.width, height: canvas.height }).getContext('2d');
    ink.drawImage(canvas, 0, 0);
    const rows = line.querySelectorAll('.row-names span').length;
    let x = 0;
    const cells = [...line.querySelectorAll('.tok')].map((token) => {
      x += token.getBoundingClientRect().width;
      return Array.from({ length: rows }, (_, s) => [...ink.getImageData(Math.round((x - 1) * ratio), Math.round((s * 14 + 6) * ratio), 1, 1).data].slice(0, 3));
    });
    return { cells, page: channels(style.getPropertyValue('--ml-page')), hues: Array.from({ length: 8 }, (_, i) => channels(style.getPropertyValue(`--ml-cat-${i + 1}`))) };
  });
  const wrong = [];
  const hueOf = new Map();
  let cells = 0;
  drawn.cells.forEach((sites, i) => sites.forEach((pixel, s) => {
    cells++;
    const [mark, ...rest] = table[i][3 + s].split(' ');
    const strength = LEAST + (1 - LEAST) * Math.min(1, Number(rest.at(-1)) / FULL);
    const distances = drawn.hues.map((hue) => Math.max(...hue.map((value, c) => Math.abs(drawn.page[c] + (value - drawn.page[c]) * strength - pixel[c]))));
    const hue = distances.indexOf(Math.min(...distances));
    if (distances[hue] > TOLERANCE) wrong.push(`token ${table[i][0]}, row ${s}: ${pixel.join(' ')} is no hue at margin ${rest.at(-1)}`);
    else if (hueOf.has(mark) && hueOf.get(mark) !== hue && strength > 0.4) wrong.push(`token ${table[i][0]}, row ${s}: ${mark} has hue ${hue + 1}, elsewhere ${hueOf.get(mark) + 1}`);
    else if (strength > 0.4) hueOf.set(mark, hue);
  }));
  // Where there are more experts than hues, the last one is everybody else's.
  const own = [...hueOf.values()].filter((hue) => hue < drawn.hues.length - 1);
  if (new Set(own).size !== own.length) wrong.push(`two letters share a hue: ${[...hueOf].join('; ')}`);
  return { cells, wrong };
}
