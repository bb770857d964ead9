// Form description of each setting, derived from a JSON schema and a configuration.
//
// Supports the JSON schema that pydantic generates: objects, $ref, nullable fields, discriminated unions, enums, lists
// of numbers, bounds, patterns, defaults and descriptions.

/**
 * @typedef {object} Field
 * @property {string} path dotted, such as "optimization.learning_rate"
 * @property {string} label
 * @property {string} help description and range
 * @property {"integer"|"number"|"boolean"|"choice"|"text"|"list"} kind
 * @property {boolean} optional the value may be null
 * @property {unknown} value default
 * @property {string[]} choices of a choice
 * @property {string} [pattern] of a text
 * @property {number} [minimum]
 * @property {number} [maximum]
 */

/** @typedef {{path: string, label: string, help: string, fields: Field[]}} Group */

/**
 * The settings of `config`: first its own fields, then one group per nested object.
 *
 * @param {object} schema JSON schema with its $defs
 * @param {object} config a full configuration
 * @param {Set<string>} without names to leave out
 * @returns {Group[]}
 */
export function groupsOf(schema, config, without) {
  const own = { path: "", label: "Run", help: "", fields: [] };
  const groups = [own];
  for (const [name, property] of Object.entries(schema.properties)) {
    if (without.has(name)) continue;
    const node = resolved(schema, property, config[name]);
    if (node.type === "object" && node.properties) groups.push(groupOf(schema, name, node, config[name]));
    else own.fields.push(fieldOf(name, name, node, config[name]));
  }
  return groups;
}

/**
 * The settings of a flat object by name; null if they have no default.
 *
 * @returns {Map<string, Field>}
 */
export function fieldsOf(schema) {
  const fields = Object.entries(schema.properties).map(([name, property]) => {
    const node = resolved(schema, property, undefined);
    return [name, fieldOf(name, name, node, node.default ?? null)];
  });
  return new Map(fields);
}

/** Sentence case of a name such as "batch_size". */
function labelOf(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function groupOf(schema, name, node, config) {
  const fields = Object.entries(node.properties)
    .map(([key, property]) => [key, resolved(schema, property, config[key])])
    // A constant, such as the kind of network, is not a setting.
    .filter(([, field]) => !("const" in field))
    .map(([key, field]) => fieldOf(`${name}.${key}`, key, field, config[key]));
  return { path: name, label: labelOf(name), help: firstParagraph(node.description), fields };
}

function fieldOf(path, name, node, value) {
  return {
    path,
    label: labelOf(name),
    help: [firstParagraph(node.description, node.enum).replace("null: ", "empty: "), rangeOf(node)].filter(Boolean).join(" "),
    kind: kindOf(node),
    optional: Boolean(node.optional),
    value,
    choices: node.enum ?? [],
    pattern: node.pattern,
    minimum: lowestOf(node),
    maximum: node.maximum,
  };
}

/** The node with $ref resolved, null removed, and the union member that matches the value. */
function resolved(schema, node, value) {
  if (node.$ref) {
    const { $ref, ...own } = node;
    return resolved(schema, { ...schema.$defs[$ref.split("/").at(-1)], ...own }, value);
  }
  if (node.discriminator) {
    const { propertyName, mapping } = node.discriminator;
    return resolved(schema, { $ref: mapping[value[propertyName]] }, value);
  }
  if (node.anyOf) {
    const { anyOf, ...own } = node;
    const [member] = anyOf.filter((one) => one.type !== "null");
    return { ...resolved(schema, member, value), ...own, optional: anyOf.length > 1 };
  }
  return node;
}

function kindOf(node) {
  if (node.enum) return "choice";
  if (node.type === "array") return "list";
  if (node.type === "integer" || node.type === "number" || node.type === "boolean") return node.type;
  return "text";
}

/** The least value, where there is one; of what lies above a number without touching it there is none. */
function lowestOf({ type, minimum, exclusiveMinimum }) {
  return type === "integer" && exclusiveMinimum !== undefined ? exclusiveMinimum + 1 : minimum;
}

/** "1 to 10,000.", "Above 0, below 1." */
function rangeOf(node) {
  if (node.type === "array") return "Numbers, separated by commas.";
  const low = lowestOf(node);
  const high = node.maximum;
  if (low !== undefined && high !== undefined) return `${readable(low)} to ${readable(high)}.`;
  const from = low !== undefined ? `${readable(low)} or more` : node.exclusiveMinimum !== undefined ? `above ${readable(node.exclusiveMinimum)}` : "";
  // A bound that only says how large a number can be is not worth telling.
  const to = high !== undefined ? `${readable(high)} or less` : node.exclusiveMaximum < 2 ** 53 ? `below ${readable(node.exclusiveMaximum)}` : "";
  const range = [from, to].filter(Boolean).join(", ");
  return range && `${range.charAt(0).toUpperCase()}${range.slice(1)}.`;
}

function readable(bound) {
  return bound.toLocaleString("en");
}

/** As a sentence; a first word that is a name, such as one of `names`, stays as it is written. */
function firstParagraph(text = "", names = []) {
  const first = text.split("\n\n")[0].replaceAll("\n", " ").trim();
  if (!first) return "";
  const isName = /\d/.test(first.split(/[\s,]/)[0]) || names.includes(first.split(" ")[0]);
  const sentence = isName ? first : first.charAt(0).toUpperCase() + first.slice(1);
  return /[.!?)]$/.test(sentence) ? sentence : `${sentence}.`;
}
