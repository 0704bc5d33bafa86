//! Types as people write them for tools, each with arguments that a model could send.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use agentexec_tools::schema::{Schema, schema_of};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) trait Args: JsonSchema + DeserializeOwned + Serialize + Debug + PartialEq {}
impl<T: JsonSchema + DeserializeOwned + Serialize + Debug + PartialEq> Args for T {}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Point {
    /// How far to the right.
    pub(crate) x: u8,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) enum Plain {
    Red,
    Blue,
}

/// What to paint with.
#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Documented {
    /// As blood.
    Red,
    Blue,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) enum External {
    Nothing,
    Struct { size: Option<u8> },
    Newtype(Point),
    Tuple(u8, String),
}

/// What to do.
#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Internal {
    /// Stay where you are.
    Stay,
    /// Go somewhere.
    Go(Point),
    Say {
        #[serde(default)]
        loudness: u8,
        text: String,
    },
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "t", content = "c")]
pub(crate) enum Adjacent {
    Unit,
    Newtype(Point),
    Struct {
        #[serde(default)]
        a: u8,
    },
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Untagged {
    Number(i64),
    Text(String),
    Object {
        name: String,
        #[serde(default)]
        age: u8,
    },
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Enums {
    pub(crate) plain: Plain,
    pub(crate) documented: Documented,
    pub(crate) external: Vec<External>,
    pub(crate) internal: Vec<Internal>,
    pub(crate) adjacent: Vec<Adjacent>,
    pub(crate) untagged: Vec<Untagged>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Options {
    pub(crate) scalar: Option<String>,
    pub(crate) nested: Option<Point>,
    pub(crate) choice: Option<Plain>,
    pub(crate) list: Option<Vec<Point>>,
    pub(crate) twice: Option<Option<u8>>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Defaults {
    #[serde(default)]
    pub(crate) count: u32,
    #[serde(default = "yes")]
    pub(crate) really: bool,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default = "origin")]
    pub(crate) point: Point,
    #[serde(default)]
    pub(crate) maybe: Option<u8>,
}
fn yes() -> bool {
    true
}
fn origin() -> Point {
    Point { x: 0 }
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Numbers {
    pub(crate) byte: u8,
    pub(crate) long: i64,
    pub(crate) float: f32,
    #[schemars(range(min = 1, max = 5))]
    pub(crate) stars: u8,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Strings {
    #[schemars(length(min = 1, max = 5), regex(pattern = "^a"))]
    pub(crate) short: String,
    #[schemars(regex(pattern = "^(?!b)"))]
    pub(crate) odd: String,
    #[schemars(url)]
    pub(crate) page: String,
    #[schemars(email)]
    pub(crate) mail: String,
    pub(crate) letter: char,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Lists {
    pub(crate) points: Vec<Point>,
    pub(crate) pair: (u8, String),
    pub(crate) alike: (f64, f64),
    pub(crate) three: [bool; 3],
    pub(crate) set: std::collections::BTreeSet<String>,
    pub(crate) nested: Vec<Vec<(u8, Plain)>>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct References {
    /// Where to begin.
    pub(crate) from: Point,
    pub(crate) to: Point,
    /// Where to rest.
    #[serde(default)]
    pub(crate) via: Option<Point>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Tree {
    pub(crate) value: i64,
    /// The branches.
    pub(crate) children: Vec<Tree>,
    /// Where it hangs.
    pub(crate) parent: Option<Box<Tree>>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) enum Expr {
    Number(f64),
    Add {
        /// The left side.
        left: Box<Expr>,
        right: Box<Expr>,
    },
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Formula {
    pub(crate) expr: Expr,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Flat {
    pub(crate) own: u8,
    #[serde(flatten)]
    pub(crate) point: Point,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct FlatEnum {
    pub(crate) own: u8,
    #[serde(flatten)]
    pub(crate) internal: Internal,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct FlatEnums {
    #[serde(flatten)]
    pub(crate) internal: Internal,
    #[serde(flatten)]
    pub(crate) adjacent: Adjacent,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct HoldsFlat {
    pub(crate) one: FlatEnum,
    pub(crate) two: FlatEnums,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Closed {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) size: u8,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields)]
pub(crate) enum ClosedForms {
    A {
        a: u8,
    },
    B {
        b: String,
        #[serde(default)]
        c: u8,
    },
}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Nothing {}

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Newtype(pub(crate) Point);

#[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct HoldsNothing {
    pub(crate) nothing: Nothing,
    pub(crate) wrapped: Newtype,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only the schema is of interest")]
pub(crate) struct Maps {
    hash: HashMap<String, u8>,
    numbered: BTreeMap<u8, u8>,
    any: Value,
    object: serde_json::Map<String, Value>,
}

/// One type with its schema and sample arguments.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) schema: Schema,
    pub(crate) args: Vec<Value>,
    /// Reads arguments, and gives them back with every default filled in.
    pub(crate) read: fn(Value) -> Result<Value, serde_json::Error>,
    pub(crate) is_recursive: bool,
}

fn sample<T: Args>(name: &'static str, args: impl IntoIterator<Item = Value>) -> Sample {
    Sample {
        name,
        schema: schema_of::<T>(),
        args: args.into_iter().collect(),
        read: |args| serde_json::from_value::<T>(args).and_then(|args| serde_json::to_value(args)),
        is_recursive: false,
    }
}

fn recursive<T: Args>(name: &'static str, args: impl IntoIterator<Item = Value>) -> Sample {
    Sample { is_recursive: true, ..sample::<T>(name, args) }
}

/// All types that strict mode can express, but for the recursive ones in Anthropic's.
pub(crate) fn samples() -> Vec<Sample> {
    let sum = json!({"Add": {"left": {"Number": 1.5}, "right": {"Number": 2.5}}});
    let leaf = json!({"value": 2, "children": []});
    let say = json!({"kind": "say", "text": "hi"});
    let some = json!({"scalar": "a", "nested": {"x": 1}, "choice": "Blue", "list": [{"x": 1}], "twice": 1});
    let strings = json!({"short": "abc", "odd": "a", "page": "http://localhost", "mail": "a@example.com",
        "letter": "x"});
    let flat = json!({"one": {"own": 1, "kind": "say", "text": "hi"},
        "two": {"kind": "go", "x": 1, "t": "Struct", "c": {}}});
    vec![
        sample::<Enums>("Enums", [enums()]),
        sample::<Options>("Options", [json!({}), some]),
        sample::<Defaults>("Defaults", [json!({}), json!({"count": 1, "tags": ["a"], "point": {"x": 1}})]),
        sample::<Numbers>("Numbers", [json!({"byte": 255, "long": -1, "float": 1.5, "stars": 5})]),
        sample::<Strings>("Strings", [strings]),
        sample::<Lists>("Lists", [lists()]),
        sample::<References>("References", [json!({"from": {"x": 1}, "to": {"x": 2}})]),
        recursive::<Tree>("Tree", [json!({"value": 1, "children": [leaf], "parent": leaf})]),
        recursive::<Formula>("Formula", [json!({"expr": sum})]),
        recursive::<Expr>("Expr", [json!({"Number": 1.5}), sum]),
        sample::<Flat>("Flat", [json!({"own": 1, "x": 2})]),
        sample::<HoldsFlat>("HoldsFlat", [flat]),
        sample::<Closed>("Closed", [json!({"name": "n"}), json!({"name": "n", "size": 1})]),
        sample::<Nothing>("Nothing", [json!({})]),
        sample::<Newtype>("Newtype", [json!({"x": 1})]),
        sample::<HoldsNothing>("HoldsNothing", [json!({"nothing": {}, "wrapped": {"x": 1}})]),
        sample::<Internal>("Internal", [json!({"kind": "stay"}), json!({"kind": "go", "x": 1}), say]),
        sample::<ClosedForms>("ClosedForms", [json!({"kind": "A", "a": 1}), json!({"kind": "B", "b": "x"})]),
        sample::<FlatEnum>("FlatEnum", [json!({"own": 1, "kind": "say", "text": "hi", "loudness": 2})]),
        sample::<FlatEnums>("FlatEnums", [json!({"kind": "stay", "t": "Unit"})]),
    ]
}

fn enums() -> Value {
    json!({
        "plain": "Red", "documented": "blue",
        "external": ["Nothing", {"Newtype": {"x": 1}}, {"Tuple": [1, "a"]}, {"Struct": {}}, {"Struct": {"size": 2}}],
        "internal": [{"kind": "stay"}, {"kind": "go", "x": 1}, {"kind": "say", "text": "hi"}],
        "adjacent": [{"t": "Unit"}, {"t": "Newtype", "c": {"x": 1}}, {"t": "Struct", "c": {}}],
        "untagged": [1, "a", {"name": "n"}, {"name": "n", "age": 3}],
    })
}

fn lists() -> Value {
    json!({"points": [{"x": 1}, {"x": 2}], "pair": [1, "a"], "alike": [1.5, 2.5], "three": [true, false, true],
        "set": ["a"], "nested": [[[1, "Red"]]]})
}
