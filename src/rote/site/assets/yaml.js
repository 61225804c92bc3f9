// A spec as block YAML that OmegaConf reads back as the same run: every string is quoted.
"use strict";

rote.yaml = (value, indent = "") => {
  const isTree = value !== null && typeof value === "object";
  if (!isTree || !Object.keys(value).length) return ` ${JSON.stringify(value)}\n`;
  const deeper = `${indent}  `;
  const lines = Array.isArray(value)
    ? value.map((item) => `${indent}- ${JSON.stringify(item)}\n`)
    : Object.entries(value).map(
        ([key, item]) => `${indent}${rote.yamlKey(key)}:${rote.yaml(item, deeper)}`,
      );
  return (indent ? "\n" : "") + lines.join("");
};

rote.yamlKey = (key) => (/^[A-Za-z_][\w.]*$/.test(key) ? key : JSON.stringify(key));
