//! The conversion to a strict dialect.
//!
//! It walks the original and builds the output anew, rather than editing in place: what is not known to be
//! taken never reaches the output. Definitions are converted when something refers to them, so those that
//! nothing refers to are left out.

mod typed;
mod union;

use serde_json::{Value, json};

use super::merge::{self, Budget, Conflict};
use super::refs::{self, Definitions};
use super::report::{Action, Report};
use super::rules::{self, Optional, Rules};
use super::words::{self, Text};
use super::{MAX_DEPTH, MAX_VALUES, Map};

/// How many definitions are written out within each other where a reference cannot stand alone.
const MAX_INLINED: usize = 4;

/// Converts the object schema at the root of `root`, which is `object` (the root itself, once its unions are
/// merged).
pub(super) fn convert(root: &Value, object: &Map, rules: &'static Rules, report: &mut Report) -> Value {
    let budget = Budget::new(MAX_VALUES.saturating_add(merge::weight(root)));
    let mut strict = Strict {
        root,
        rules,
        report,
        budget,
        definitions: Definitions::default(),
        active: vec!["#".to_owned()],
        depth: 0,
    };
    strict.run(object)
}

/// A converted schema, before its description is put in.
#[derive(Debug, Default)]
struct Node {
    body: Body,
    text: Text,
}

#[derive(Debug)]
enum Body {
    /// A reference into the original, which has to stand alone in the output.
    Reference(String),
    Schema(Map),
}

impl Default for Body {
    fn default() -> Self {
        Self::Schema(Map::new())
    }
}

impl Node {
    fn schema(body: Map, text: Text) -> Self {
        Self { body: Body::Schema(body), text }
    }
}

struct Strict<'a> {
    root: &'a Value,
    rules: &'static Rules,
    report: &'a mut Report,
    budget: Budget,
    definitions: Definitions,
    /// The references that are written out, or converted as definitions, around the current schema.
    active: Vec<String>,
    depth: usize,
}

impl Strict<'_> {
    fn run(&mut self, object: &Map) -> Value {
        let node = self.map(object, "");
        let mut output = self.seal(node, None, &mut Text::default());
        let mut definitions = Map::new();
        while let Some((reference, name)) = self.definitions.next() {
            let Some(target) = refs::resolve(self.root, &reference) else { continue };
            let at = reference.trim_start_matches('#').to_owned();
            self.active = vec![reference];
            let node = self.schema(target, &at);
            // A description that cannot stay beside a reference is lost here: nothing is around a definition.
            let definition = self.seal(node, None, &mut Text::default());
            definitions.insert(name, definition);
        }
        if let (Some(output), false) = (output.as_object_mut(), definitions.is_empty()) {
            output.insert("$defs".to_owned(), Value::Object(definitions));
        }
        output
    }

    /// Any schema. `at` is its pointer in the original.
    fn schema(&mut self, schema: &Value, at: &str) -> Node {
        if self.depth >= MAX_DEPTH {
            return self.unsupported(at, "properties", "schemas are nested too deep");
        }
        self.depth += 1;
        let node = match schema {
            Value::Object(map) => self.map(map, at),
            Value::Bool(false) => self.unsupported(at, "type", "no value is accepted here"),
            Value::Bool(true) => self.any(at),
            _ => self.unsupported(at, "type", "this is not a schema: a schema is an object or a boolean"),
        };
        self.depth -= 1;
        node
    }

    fn map(&mut self, map: &Map, at: &str) -> Node {
        match refs::reference_of(map) {
            Some(reference) if map.keys().all(|key| key == "$ref" || rules::is_annotation(key)) => {
                self.reference(reference, map, at)
            }
            None if !map.contains_key("allOf") => self.described(map, at),
            _ => match merge::expand(self.root, map, &self.active, &mut self.budget) {
                Ok((merged, taken)) => {
                    let keyword = if map.contains_key("$ref") { "$ref" } else { "allOf" };
                    self.report.add(Action::Rewritten, at, keyword, "its parts are merged into one schema");
                    let outer = self.active.len();
                    self.active.extend(taken);
                    let node = self.described(&merged, at);
                    self.active.truncate(outer);
                    node
                }
                Err(conflict) => self.conflict(at, &conflict),
            },
        }
    }

    /// A schema without `$ref` and `allOf`.
    fn described(&mut self, map: &Map, at: &str) -> Node {
        match ["oneOf", "anyOf"].into_iter().find(|key| map.contains_key(*key)) {
            Some(key) => self.union(map, key, at),
            None => self.typed(map, at),
        }
    }

    /// A reference with nothing but annotations beside it.
    fn reference(&mut self, reference: &str, map: &Map, at: &str) -> Node {
        let mut text = Text::of(map.get("description"));
        for (keyword, value) in map.iter().filter(|(keyword, _)| *keyword != "$ref") {
            self.say(keyword, value, at, &mut text);
        }
        if !text.is_empty() {
            let reason =
                "what stands beside it moves into its target, written out here, or to the schema around it";
            self.report.add(Action::Rewritten, at, "$ref", reason);
        }
        match refs::follow(self.root, reference) {
            Some(target) => Node { body: Body::Reference(target), text },
            None => self.unsupported(at, "$ref", "it points at nothing in this schema, or only at itself"),
        }
    }

    /// Says in words what a keyword says that the dialect does not take.
    fn say(&mut self, keyword: &str, value: &Value, at: &str, text: &mut Text) {
        if keyword == "description" || rules::is_bookkeeping(keyword) {
            return;
        }
        let sentence = words::sentence(keyword, value);
        let reason = match sentence {
            Some(_) => "the dialect does not take it; the description says it in words",
            None => "the dialect does not take it",
        };
        self.report.add(Action::Dropped, at, keyword, reason);
        text.add_sentence(&sentence.unwrap_or_default());
    }

    /// The final form of a schema within another. A description that cannot stand beside a reference goes to
    /// the target, written out here, or else, labelled, to the schema around it.
    fn seal(&mut self, node: Node, label: Option<&str>, around: &mut Text) -> Value {
        match node.body {
            Body::Reference(target) if node.text.is_empty() => {
                json!({"$ref": self.definitions.refer(&target)})
            }
            Body::Reference(target) => match self.inline(&target) {
                Some(Node { body: Body::Schema(body), text: inner }) => {
                    let mut text = node.text;
                    text.add_text(inner);
                    describe(body, text)
                }
                _ => {
                    let text = node.text.into_string();
                    around.add(&label.map_or_else(|| text.clone(), |name| format!("`{name}`: {text}")));
                    json!({"$ref": self.definitions.refer(&target)})
                }
            },
            Body::Schema(body) => describe(body, node.text),
        }
    }

    /// The target of a reference, converted in place. None if it contains itself, or is too much to repeat.
    fn inline(&mut self, target: &str) -> Option<Node> {
        let recursive = self.active.iter().any(|active| active == target);
        if recursive || self.active.len() > MAX_INLINED || !self.budget.is_ample() {
            return None;
        }
        let root = self.root;
        let schema = refs::resolve(root, target)?;
        self.budget.spend(merge::weight(schema), "$ref").ok()?;
        self.active.push(target.to_owned());
        let mut node = self.schema(schema, target.trim_start_matches('#'));
        if let Body::Reference(next) = &node.body
            && let Some(inner) = self.inline(&next.clone())
        {
            node.text.add_text(inner.text);
            node.body = inner.body;
        }
        self.active.pop();
        Some(node)
    }

    /// The same schema, accepting null as well.
    fn nullable(&mut self, node: Node) -> Node {
        let body = match node.body {
            Body::Reference(target) => {
                let reference = json!({"$ref": self.definitions.refer(&target)});
                Map::from_iter([("anyOf".to_owned(), json!([reference, {"type": "null"}]))])
            }
            Body::Schema(body) => nullable_body(body),
        };
        Node::schema(body, node.text)
    }

    fn any(&mut self, at: &str) -> Node {
        self.unsupported(
            at,
            "type",
            "any JSON value is accepted here; strict schemas name the type of each value",
        )
    }

    fn unsupported(&mut self, at: &str, keyword: &str, reason: &str) -> Node {
        self.report.add(Action::Unsupported, at, keyword, reason);
        Node::default()
    }

    fn conflict(&mut self, at: &str, conflict: &Conflict) -> Node {
        self.unsupported(at, &conflict.keyword, conflict.reason)
    }

    fn wants_all_properties(&self) -> bool {
        self.rules.optional == Optional::Nullable
    }
}

fn describe(mut body: Map, text: Text) -> Value {
    if let Some(description) = text.into_value() {
        body.insert("description".to_owned(), description);
    }
    Value::Object(body)
}

/// Whether a converted schema accepts null.
fn accepts_null(body: &Map) -> bool {
    let is_null = |branch: &Value| branch.get("type").is_some_and(|kind| kind == "null");
    match (body.get("type"), body.get("anyOf")) {
        (Some(Value::Array(types)), _) => types.iter().any(|kind| kind == "null"),
        (Some(kind), _) => kind == "null",
        (None, Some(Value::Array(branches))) => branches.iter().any(is_null),
        _ => false,
    }
}

/// A scalar without fixed values gets a second type, as both providers document it. Everything else becomes a
/// union: next to an enum a second type is refused by Anthropic, and next to `properties` or `items` it is not
/// documented by either.
fn nullable_body(mut body: Map) -> Map {
    if body.is_empty() || accepts_null(&body) {
        return body;
    }
    if let Some(Value::Array(branches)) = body.get_mut("anyOf") {
        branches.push(json!({"type": "null"}));
        return body;
    }
    let fixed = body.contains_key("enum") || body.contains_key("const");
    match body.get_mut("type") {
        Some(kind)
            if !fixed && matches!(kind.as_str(), Some("string" | "number" | "integer" | "boolean")) =>
        {
            *kind = json!([kind.take(), "null"]);
            body
        }
        _ => Map::from_iter([("anyOf".to_owned(), json!([body, {"type": "null"}]))]),
    }
}
