// Checks ScaledObjects and ScaledJobs, a JSON list on standard input, against KEDA's own resource definitions, as the package
// @kubernetes-models/keda has them; `node deploy/checks/keda.cjs FOLDER`, where FOLDER has its node_modules. Prints what is wrong.
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");

const from = createRequire(`${process.argv[2]}/here.js`);
const kinds = from("@kubernetes-models/keda/keda.sh/v1alpha1");

let wrong = 0;
for (const one of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    new kinds[one.kind](one).validate();
  } catch (problem) {
    wrong += 1;
    console.log(`${one.kind} ${one.metadata.name}: ${problem.message}`);
  }
}
process.exit(wrong ? 1 : 0);
