//! Unions: `oneOf` and `anyOf`, which strict dialects take only as `anyOf` and only on its own.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::merge;
use super::{Action, Body, Map, Node, Strict, Text, rules};

impl Strict<'_> {
    /// A union under `key`. What stands beside it goes into each branch.
    pub(super) fn union(&mut self, map: &Map, key: &str, at: &str) -> Node {
        let Some(branches) = map.get(key).and_then(Value::as_array) else {
            return self.unsupported(at, key, "a union is a list of schemas");
        };
        if key == "oneOf" {
            self.report.add(Action::Rewritten, at, key, "it becomes `anyOf`");
        }
        let (text, beside) = self.beside_union(map, key, at);
        if let Err(conflict) =
            self.budget.spend(merge::weight_of(&beside).saturating_mul(branches.len()), key)
        {
            return self.conflict(at, &conflict);
        }
        let mut nodes = Vec::with_capacity(branches.len());
        for (index, branch) in branches.iter().enumerate() {
            let at = format!("{at}/{key}/{index}");
            match branch {
                Value::Bool(false) => {}
                Value::Object(branch) if !beside.is_empty() => match merge::intersect(beside.clone(), branch)
                {
                    Ok(merged) => nodes.push(self.schema(&Value::Object(merged), &at)),
                    Err(conflict) => nodes.push(self.conflict(&at, &conflict)),
                },
                Value::Bool(true) if !beside.is_empty() => {
                    nodes.push(self.schema(&Value::Object(beside.clone()), &at));
                }
                _ => nodes.push(self.schema(branch, &at)),
            }
        }
        if nodes.is_empty() {
            return self.unsupported(at, key, "a union of nothing accepts no value");
        }
        self.any_of(nodes, text)
    }

    /// What a union says of itself, and the keywords beside it that constrain each branch.
    fn beside_union(&mut self, map: &Map, key: &str, at: &str) -> (Text, Map) {
        let mut text = Text::of(map.get("description"));
        let mut beside = Map::new();
        for (keyword, value) in map.iter().filter(|(keyword, _)| *keyword != key) {
            if rules::is_annotation(keyword) {
                self.say(keyword, value, at, &mut text);
            } else {
                beside.insert(keyword.clone(), value.clone());
            }
        }
        (text, beside)
    }

    /// One schema for one or more alternatives: null is set apart, fixed strings become one enum, and what is left
    /// becomes `anyOf`, unless it is a single schema.
    pub(super) fn any_of(&mut self, nodes: Vec<Node>, mut text: Text) -> Node {
        let (nulls, others): (Vec<Node>, Vec<Node>) = nodes.into_iter().partition(Node::is_null);
        let is_nullable = !nulls.is_empty();
        for null in nulls {
            text.add_text(null.text);
        }
        let mut others = distinct(join_literals(others));
        let node = match (others.pop(), others.is_empty()) {
            (None, _) => Node::schema(Map::from_iter([("type".to_owned(), json!("null"))]), text),
            (Some(only), true) => {
                text.add_text(only.text);
                Node { body: only.body, text }
            }
            (Some(last), false) => {
                others.push(last);
                let branches = others.into_iter().map(|node| self.seal(node, None, &mut text)).collect();
                Node::schema(Map::from_iter([("anyOf".to_owned(), Value::Array(branches))]), text)
            }
        };
        if is_nullable { self.nullable(node) } else { node }
    }
}

impl Node {
    fn is_null(&self) -> bool {
        matches!(&self.body, Body::Schema(body) if body.get("type").is_some_and(|kind| kind == "null"))
    }

    /// The strings that it accepts, if it accepts a fixed set of strings.
    fn literals(&self) -> Option<Vec<Value>> {
        let Body::Schema(body) = &self.body else { return None };
        let fixed = body.keys().all(|key| matches!(key.as_str(), "type" | "const" | "enum" | "title"));
        if !fixed || body.get("type")? != "string" {
            return None;
        }
        match (body.get("const"), body.get("enum")) {
            (Some(value), None) => Some(vec![value.clone()]),
            (None, Some(Value::Array(values))) => Some(values.clone()),
            _ => None,
        }
    }
}

fn distinct(nodes: Vec<Node>) -> Vec<Node> {
    let mut seen = BTreeSet::new();
    let key = |node: &Node| match &node.body {
        Body::Reference(target) => (target.clone(), node.text.clone().into_string()),
        Body::Schema(body) => (json!(body).to_string(), node.text.clone().into_string()),
    };
    nodes.into_iter().filter(|node| seen.insert(key(node))).collect()
}

/// Puts all alternatives that are fixed strings into one enum, in the place of the first. It is shorter than
/// one schema for each, it is what models know best, and it counts as no union where unions are limited.
fn join_literals(nodes: Vec<Node>) -> Vec<Node> {
    if nodes.iter().filter(|node| node.literals().is_some()).count() < 2 {
        return nodes;
    }
    let mut place = None;
    let mut values: Vec<Value> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut text = Text::default();
    let mut kept = Vec::with_capacity(nodes.len());
    for node in nodes {
        let Some(literals) = node.literals() else {
            kept.push(node);
            continue;
        };
        place.get_or_insert(kept.len());
        if !node.text.is_empty() {
            let names: Vec<String> =
                literals.iter().filter_map(Value::as_str).map(|name| format!("`{name}`")).collect();
            text.add(&format!("- {}: {}", names.join(", "), node.text.into_string().replace('\n', " ")));
        }
        values.extend(literals.into_iter().filter(|literal| seen.insert(literal.to_string())));
    }
    let body = json!({"type": "string", "enum": values});
    if let (Some(place), Value::Object(body)) = (place, body) {
        kept.insert(place, Node::schema(body, text));
    }
    kept
}
