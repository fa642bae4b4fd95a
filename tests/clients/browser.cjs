// Serves the example page on its own port, uses it in Chromium, and fails when it shows anything unexpected.
const { chromium } = require("playwright-core");
const { createReadStream, mkdtempSync, rmSync } = require("node:fs");
const { createServer } = require("node:http");
const { tmpdir } = require("node:os");
const { join } = require("node:path");

const [folder, target, screenshot] = process.argv.slice(2);
const FILES = { "/": ["index.html", "text/html"], "/page.bundle.js": ["page.bundle.js", "text/javascript"] };
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

const server = createServer((request, response) => {
  const found = FILES[new URL(request.url, "http://localhost").pathname];
  if (!found) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": found[1] });
  createReadStream(join(folder, found[0])).pipe(response);
});

async function use(page) {
  const matches = ([id, pattern]) => new RegExp(pattern).test(document.getElementById(id).textContent);
  const shows = (id, pattern) => page.waitForFunction(matches, [id, pattern], { timeout: 20_000 });
  await page.click("#refuse");
  await shows("answer", "^items\\[0\\]\\.quantity: must be 1 to");
  const before = await page.locator("#orders tr").count();
  await page.click("#place");
  await shows("answer", "^CREATED: [0-9a-f-]{36}$");
  const longer = (count) => document.querySelectorAll("#orders tr").length > count;
  await page.waitForFunction(longer, before, { timeout: 20_000 });
  await shows("orders", "CREATED20\\.00");
  await shows("revision", "^([3-9]|\\d{2,})$");
  await shows("stored", "^[1-9]");
}

async function main() {
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const profile = mkdtempSync(join(tmpdir(), "ordermesh-chromium-"));
  const options = { executablePath: process.env.CHROMIUM, headless: true, args: FLAGS };
  const context = await chromium.launchPersistentContext(profile, options);
  try {
    const page = await context.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(`http://127.0.0.1:${server.address().port}/?target=${encodeURIComponent(target)}`);
    await use(page);
    if (errors.length) throw new Error(errors.join("\n"));
    if (screenshot) await page.screenshot({ path: screenshot });
    console.log("the page placed an order, showed a validation error, listed orders and watched the pipeline");
  } finally {
    await context.close();
    server.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
