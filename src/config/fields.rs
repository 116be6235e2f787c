use super::foreign::{self, Elsewhere};
use super::names::{misspelt, nearest};
use super::node::Node;
use super::positions::child;
use super::reader::{Problem, Reader};
use jsonc_parser::ast::{Object, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// The fields of an object, read one by one; what nobody asked for is looked at
/// in the end.
pub(super) struct Fields<'a> {
    reader: &'a Reader<'a>,
    object: Option<&'a Object<'a>>,
    pointer: String,
    defaults: Option<Node<'a>>,
    known: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Fields<'a> {
    /// The fields of `object`; of an empty one if there is none.
    pub(super) fn new(
        reader: &'a Reader<'a>,
        object: Option<&'a Object<'a>>,
        pointer: String,
    ) -> Self {
        Self { reader, object, pointer, defaults: None, known: RefCell::default() }
    }

    /// Looks into `defaults` wherever this object is silent.
    pub(super) fn with_defaults(mut self, defaults: Option<&Node<'a>>) -> Self {
        self.defaults = defaults.cloned();
        self
    }

    /// The fields of `object`, which stands at `pointer` inside this one.
    pub(super) fn nested(&self, object: Option<&'a Object<'a>>, pointer: String) -> Self {
        Self::new(self.reader, object, pointer)
    }

    pub(super) fn reader(&self) -> &'a Reader<'a> {
        self.reader
    }

    pub(super) fn report(&self, problem: Problem) {
        self.reader.report(&self.pointer, problem);
    }

    pub(super) fn pointer(&self) -> &str {
        &self.pointer
    }

    /// A field, from the defaults if this object has none; null is none.
    pub(super) fn get(&self, key: &'static str) -> Option<Node<'a>> {
        self.own(key).or_else(|| {
            let Value::Object(object) = self.defaults.as_ref()?.value else {
                return None;
            };
            let pointer = &self.defaults.as_ref()?.pointer;
            find(self.reader, object, pointer, key).filter(|node| !node.is_null())
        })
    }

    /// A field of this object itself; null is none.
    pub(super) fn own(&self, key: &'static str) -> Option<Node<'a>> {
        self.own_or_null(key).filter(|node| !node.is_null())
    }

    /// A field of this object itself, null included.
    pub(super) fn own_or_null(&self, key: &'static str) -> Option<Node<'a>> {
        self.known.borrow_mut().insert(key);
        find(self.reader, self.object?, &self.pointer, key)
    }

    /// A field that has to be there.
    pub(super) fn required(&self, key: &'static str, expected: &str) -> Option<Node<'a>> {
        let found = self.get(key);
        if found.is_none() && self.misspelt_as(key).is_none() {
            self.report(
                Problem::error(format!("`{key}` is missing"))
                    .at_key()
                    .expected(format!("needs \"{key}\": {expected}")),
            );
        }
        found
    }

    /// A text that is not blank, if the field is there.
    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        self.get(key)?.text().map(str::to_owned)
    }

    /// A key of this object that is not `wanted` and may stand for it.
    pub(super) fn alike(&self, wanted: &'static str) -> Option<&'a str> {
        let known = self.known.borrow();
        let keys = self.object?.properties.iter().map(|property| property.name.as_str());
        let mut keys = keys.filter(|key| !known.contains(key) && !key.starts_with("x-"));
        keys.find(|key| {
            let foreign = foreign::meant(key, &BTreeSet::from([wanted]));
            foreign.or_else(|| nearest(key, [wanted])).is_some()
        })
    }

    /// Looks at the fields that nobody asked for: one that is a misspelt known
    /// one is an error, any other is documentation. `what` names the object,
    /// `documentation` the keys that are never taken for a slip.
    pub(super) fn close(self, what: &str, documentation: &[&str]) {
        self.close_beside(what, documentation, &[]);
    }

    /// Like [`Self::close`]; the keys in `elsewhere` mean something in other
    /// objects and nothing here.
    pub(super) fn close_beside(self, what: &str, documentation: &[&str], elsewhere: &[Elsewhere]) {
        let known = self.known.borrow();
        let Some(object) = self.object else { return };
        for property in &object.properties {
            let key = property.name.as_str();
            if known.contains(key) || documentation.contains(&key) || key.starts_with("x-") {
                continue;
            }
            if let Some(problem) = unknown_key(key, what, &known, elsewhere) {
                self.reader.report(&child(&self.pointer, key), problem.at_key());
            }
        }
    }

    /// The key of this object that looks like a misspelt `wanted`; it gets a
    /// finding of its own.
    fn misspelt_as(&self, wanted: &'static str) -> Option<&'a str> {
        let keys = self.object?.properties.iter().map(|property| property.name.as_str());
        let mut keys = keys.filter(|key| !self.known.borrow().contains(key));
        keys.find(|key| misspelt(key, [wanted]).is_some())
    }
}

/// What is wrong with a key of `what` that is not in `known`; nothing if it is
/// documentation.
fn unknown_key(
    key: &str,
    what: &str,
    known: &BTreeSet<&'static str>,
    elsewhere: &[Elsewhere],
) -> Option<Problem> {
    const KEEP: &str = "to keep it as documentation, write it as \"x-…\"";
    if let Some(other) = elsewhere.iter().find(|other| other.fields.contains(&key)) {
        let problem = Problem::warning(format!("`{key}` means nothing in {what}"));
        return Some(match other.home {
            Some(home) => problem.help(format!("it belongs into {home}")),
            None => problem.help("remove it from here"),
        });
    }
    if let Some(meant) = misspelt(key, known.iter().copied()) {
        let problem = Problem::error(format!("`{key}` is not a field of {what}"));
        return Some(problem.expected(format!("did you mean \"{meant}\"?")).help(KEEP));
    }
    let ignored = || Problem::warning(format!("`{key}` is not a field of {what}, and is ignored"));
    let alike = foreign::meant(key, known).or_else(|| nearest(key, known.iter().copied()));
    if let Some(alike) = alike {
        return Some(ignored().expected(format!("did you mean \"{alike}\"?")).help(KEEP));
    }
    let other = elsewhere.iter().find_map(|other| {
        let fields = other.fields.iter().copied().collect();
        Some((foreign::meant(key, &fields)?, other.home?))
    });
    let (field, home) = other?;
    Some(ignored().expected(format!("did you mean \"{field}\" in {home}?")).help(KEEP))
}

fn find<'a>(
    reader: &'a Reader<'a>,
    object: &'a Object<'a>,
    pointer: &str,
    key: &str,
) -> Option<Node<'a>> {
    let property = object.properties.iter().find(|property| property.name.as_str() == key)?;
    Some(Node { reader, value: &property.value, pointer: child(pointer, key) })
}
