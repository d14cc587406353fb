// Checks Azure Pipelines files with the engine of Microsoft's editor extension, and prints its findings as JSON.
//
// Unlike a plain check against the schema, the engine understands ${{ if }} and typed scalars, and knows Microsoft's tasks.
//
//   NODE_PATH=node_modules node azure_pipelines.js SCHEMA FILE...

const fs = require('fs');
const { getLanguageService } = require('azure-pipelines-language-service/lib/yamlLanguageService');
const { parse } = require('azure-pipelines-language-service/lib/parser/yamlParser');
const { TextDocument } = require('vscode-languageserver-textdocument');

const SCHEMA_URI = 'inmemory://azure-pipelines';

const print = console.log;
console.log = () => {}; // the engine traces its work

function languageService(schema) {
  // A fresh copy for each request: the engine writes to what it is given.
  const request = async () => structuredClone(schema);
  const service = getLanguageService(request, [], async () => SCHEMA_URI, { resolveRelativePath: (file) => file });
  service.configure({ validate: true, schemas: [{ uri: SCHEMA_URI, fileMatch: ['*'], schema }] });
  return service;
}

// The schema knows no template that holds nothing but variables: with an empty list of steps it is a pipeline.
function completed(text) {
  const isComplete = /^(steps|jobs|stages|extends):/m.test(text);
  return isComplete || !/^variables:/m.test(text) ? text : `${text}\nsteps: []\n`;
}

async function findings(service, file) {
  const text = completed(fs.readFileSync(file, 'utf8'));
  const document = TextDocument.create(`file://${file}`, 'azure-pipelines', 1, text);
  const found = await service.doValidation(document, parse(text));
  // Some messages list all known tasks.
  return found.map(({ range, message }) => ({ file, line: range.start.line + 1, message: message.slice(0, 160) }));
}

async function main([schemaFile, ...files]) {
  const service = languageService(JSON.parse(fs.readFileSync(schemaFile, 'utf8')));
  const all = [];
  for (const file of files) {
    all.push(...(await findings(service, file)));
  }
  print(JSON.stringify({ read: files.length, findings: all }));
}

main(process.argv.slice(2));
