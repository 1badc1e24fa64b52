/**
 * How long frames take on the routing page with INVENTED numbers of the largest size it must bear (512 tokens, 224 sites,
 * 256 experts), while data arrive, while the pointer moves over the pictures, while keys step, and while the page scrolls.
 * Reported are the thread time of the page per frame (mean; script, style and layout are parts of it), the gaps between frames, and
 * long tasks (over 50 ms); gaps and long tasks are wall time and grow when the machine is busy. The invented numbers are
 * made by the page itself, so `data arrive` also counts the work of a host.
 */

/** Runs in the page: collects gaps between frames and work inside them until `stop` is called. */
function watchFrames() {
  const gaps = [];
  const tasks = [];
  let last = performance.now();
  let on = true;
  const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration)));
  observer.observe({ type: 'longtask', buffered: false });
  const tick = () => {
    const now = performance.now();
    gaps.push(now - last);
    last = now;
    if (on) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  window.stopFrames = () => {
    on = false;
    observer.disconnect();
    gaps.shift();
    gaps.sort((a, b) => a - b);
    const at = (share) => Math.round((gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * share))] ?? 0) * 10) / 10;
    return { frames: gaps.length, median: at(0.5), p95: at(0.95), worst: at(1), longTasks: tasks.length, longest: Math.round(Math.max(0, ...tasks)) };
  };
}

/** Measures the scenes one after the other; returns a row for each. */
export async function measureFrames(page, address) {
  const rows = [];
  // Time of the page's own thread, so that other programs on the machine do not count.
  const client = await page.context().newCDPSession(page);
  await client.send('Performance.setTimeDomain', { timeDomain: 'threadTicks' });
  await client.send('Performance.enable');
  const spent = async () => Object.fromEntries((await client.send('Performance.getMetrics')).metrics.map((metric) => [metric.name, metric.value * 1000]));
  const scene = async (name, act) => {
    await page.evaluate(watchFrames);
    const before = await spent();
    await act();
    const after = await spent();
    const gaps = await page.evaluate(() => window.stopFrames());
    const perFrame = (metric) => Math.round(((after[metric] - before[metric]) / Math.max(1, gaps.frames)) * 10) / 10;
    rows.push({ scene: name, 'ms a frame': perFrame('TaskDuration'), script: perFrame('ScriptDuration'), style: perFrame('RecalcStyleDuration'), layout: perFrame('LayoutDuration'), ...gaps });
  };
  await page.goto(`${address}/routing?kind=large&theme=dark`);
  await page.locator('.tools-row select:not([disabled])').first().waitFor();
  await scene('data arrive', () => page.waitForTimeout(4000));
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  const box = await page.locator('.overview').boundingBox();
  await scene('pointer over the overview', async () => {
    for (let i = 0; i < 120; i++) await page.mouse.move(box.x + 60 + i * 6, box.y + 60 + (i % 60) * 10);
  });
  await page.locator('.reader').scrollIntoViewIfNeeded();
  await page.waitForTimeout(300);
  const reader = await page.locator('.reader').boundingBox();
  await scene('pointer over the tokens', async () => {
    for (let i = 0; i < 120; i++) await page.mouse.move(reader.x + 60 + (i * 7) % 800, Math.max(40, reader.y + 220) + (i % 40) * 8);
  });
  await page.locator('.reader').focus();
  await scene('arrow keys: tokens', async () => {
    for (let i = 0; i < 80; i++) await page.keyboard.press('ArrowRight');
  });
  await scene('arrow keys: sites', async () => {
    for (let i = 0; i < 80; i++) await page.keyboard.press('ArrowDown');
  });
  await scene('scrolling', async () => {
    await page.mouse.move(700, 400);
    for (let i = 0; i < 60; i++) {
      await page.mouse.wheel(0, i < 30 ? 120 : -120);
      await page.waitForTimeout(16);
    }
  });
  return rows;
}
