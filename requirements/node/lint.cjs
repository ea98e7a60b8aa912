// Read a state machine definition on standard input; print what two linters say about it as
// [{"tool": ..., "message": ...}]. Run by ops/asl_lint.py.
"use strict";

const { readFileSync } = require("node:fs");
const aslValidator = require("asl-validator");
const { getLanguageService, TextDocument } = require("amazon-states-language-service");

async function main() {
  const text = readFileSync(0, "utf8");
  const findings = [];

  for (const error of aslValidator(JSON.parse(text)).errors) {
    const where = error.path ?? error.instancePath ?? "";
    findings.push({ tool: "asl-validator", message: `${where} ${error.Message ?? error.message}`.trim() });
  }

  const service = getLanguageService({});
  const document = TextDocument.create("file:///definition.asl.json", "json", 1, text);
  for (const problem of await service.doValidation(document, service.parseJSONDocument(document))) {
    const line = problem.range.start.line + 1;
    findings.push({ tool: "amazon-states-language-service", message: `${problem.message} (rendered line ${line})` });
  }

  process.stdout.write(JSON.stringify(findings));
}

main().catch((error) => {
  process.stderr.write(`${error}\n`);
  process.exitCode = 1;
});
