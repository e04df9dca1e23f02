// Audits pages with axe-core in a real Chromium, offline, and reports as JSON on standard output.
// node audit.mjs BROWSER-OR-"" < {"pages": [{"name", "file", "width", "scheme", "script", "audit", "actions", "pdf"}]}
import fs from "node:fs";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
const QUIET = [
  "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--no-sandbox", "--disable-gpu",
];

async function launch(named) {
  if (named) return puppeteer.launch({ executablePath: named, headless: true, args: QUIET, protocolTimeout: 120_000 });
  const packed = (await import("@sparticuz/chromium")).default;
  const executablePath = await packed.executablePath();
  return puppeteer.launch({ executablePath, headless: "shell", args: [...packed.args, ...QUIET] });
}

async function act(page, actions) {
  for (const [kind, selector, text] of actions) {
    if (kind === "click") await page.click(selector);
    if (kind === "type") await page.type(selector, text);
  }
}

function measure() {
  const rows = [...document.querySelectorAll("tbody tr")];
  return {
    wide: document.documentElement.scrollWidth,
    tools: document.querySelectorAll(".tools").length,
    rows: rows.length,
    seen: rows.filter((row) => row.checkVisibility()).length,
    column: [...document.querySelectorAll("#readiness-by-type tbody tr")].map((row) => row.cells[2].textContent),
  };
}

function intrude() {
  const script = document.createElement("script");
  script.textContent = "globalThis.ran = true";
  document.body.append(script);
  return globalThis.ran === true;
}

async function axed(page) {
  await page.evaluate(axe);
  const result = await page.evaluate(
    (values) => globalThis.axe.run(document, { runOnly: { type: "tag", values } }), RULES);
  const violations = result.violations.map((found) => ({
    id: found.id,
    nodes: found.nodes.slice(0, 5).map((node) => node.html + " :: " + node.failureSummary),
  }));
  return { passes: result.passes.length, violations };
}

async function audit(browser, wanted) {
  const page = await browser.newPage();
  const asked = [], errors = [];
  page.on("request", (request) => {
    if (!request.url().startsWith("file:") || !request.isNavigationRequest()) asked.push(request.url());
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error") errors.push(message.text()); });
  // The page's own policy refuses foreign scripts, also the auditor's; pages that are not audited keep it.
  await page.setBypassCSP(wanted.audit);
  await page.setJavaScriptEnabled(wanted.script);
  await page.setViewport({ width: wanted.width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: wanted.scheme }]);
  await page.goto(pathToFileURL(wanted.file).href, { waitUntil: "load" });
  if (wanted.script) await act(page, wanted.actions ?? []);
  const found = { name: wanted.name, errors: [...errors], ...await page.evaluate(measure) };
  // Scripts of a page that was loaded without them do not run later; the auditor needs timers.
  await page.setJavaScriptEnabled(true);
  if (wanted.audit) Object.assign(found, await axed(page));
  else found.intruded = await page.evaluate(intrude);
  if (wanted.pdf) await page.pdf({ path: wanted.pdf, preferCSSPageSize: true });
  await page.close();
  return { ...found, asked };
}

const { pages } = JSON.parse(fs.readFileSync(0, "utf8"));
const axe = fs.readFileSync(new URL(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const browser = await launch(process.argv[2]);
try {
  const found = [];
  for (const wanted of pages) found.push(await audit(browser, wanted));
  process.stdout.write(JSON.stringify({ version: await browser.version(), pages: found }));
} finally {
  await browser.close();
}
