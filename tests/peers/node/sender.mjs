// Sends the messages of a file over MLLP with node-hl7-client and prints, for each, the control id it sent and the
// acknowledgement as the client itself parsed it: `MSH-10 MSA-1 MSA-2`. Messages are separated by a record separator
// (U+001E). Usage: node sender.mjs PORT FILE, where node_modules holds node-hl7-client.
import fs from "node:fs";
import process from "node:process";
import { Client, Message } from "node-hl7-client";

const [port, file] = process.argv.slice(2);
const says = fs.readFileSync(file, "utf-8").split("\u001e").map((text) => new Message({ text: text.trimEnd() }));
let at = 0;

const client = new Client({ host: "127.0.0.1" });
const line = client.createConnection({ port: Number(port), waitAck: true }, (response) => {
  const answer = response.getMessage();
  const sent = says[at].get("MSH.10").toString();
  console.log(`${sent} ${answer.get("MSA.1").toString()} ${answer.get("MSA.2").toString()}`);
  at += 1;
  if (at === says.length) {
    line.close().then(() => process.exit(0));
  } else {
    line.sendMessage(says[at]);
  }
});
line.on("client.error", (error) => {
  console.error(error.message);
  process.exit(1);
});
line.on("data.error", (error) => {
  console.error(error.message);
  process.exit(1);
});
line.on("connect", () => line.sendMessage(says[at]));
setTimeout(() => process.exit(1), 100_000).unref();
