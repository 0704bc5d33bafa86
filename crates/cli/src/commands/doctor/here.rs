//! What the doctor looks at on this side of the store: the keys, and the terminal.

use console::Term;

use super::check::Check;
use crate::args::Protocol;
use crate::{live, provider, terminal};

/// Which providers there are keys for. A key itself is never shown.
pub(super) fn keys() -> Vec<Check> {
    let found = [("claude", Protocol::Claude), ("openai", Protocol::Openai)].map(|(name, protocol)| {
        let mut set: Vec<_> =
            provider::keys(protocol).iter().copied().filter(|key| provider::is_set(key)).collect();
        let has_key = !set.is_empty();
        let address = provider::base_url_variable(protocol);
        set.extend(provider::is_set(address).then_some(address));
        let message =
            if set.is_empty() { "no key is set".to_owned() } else { format!("set: {}", set.join(", ")) };
        (has_key, Check::ok(name, message))
    });
    if found.iter().any(|(has_key, _)| *has_key) {
        return found.into_iter().map(|(_, check)| check).collect();
    }
    let advice = "set ANTHROPIC_API_KEY or OPENAI_API_KEY, or use `agentexec run` with --base-url or --demo";
    vec![Check::warn("keys", "no key is set", advice)]
}

/// What a run looks like here.
pub(super) fn terminal() -> Check {
    let (_, columns) = Term::stderr().size();
    let message = match (Term::stderr().is_term(), live::is_dumb()) {
        (false, _) => "none: runs are shown in plain lines".to_owned(),
        (true, true) => format!("{columns} columns; TERM=dumb: runs are shown in plain lines"),
        (true, false) if !console::colors_enabled_stderr() => format!("{columns} columns, a bar, no colors"),
        (true, false) => format!("{columns} columns, a bar, colors"),
    };
    if Term::stderr().is_term() && usize::from(columns) < terminal::NARROWEST {
        let advice =
            format!("make it {} columns wide or more; lines are shown whole until then", terminal::NARROWEST);
        return Check::warn("terminal", message, advice);
    }
    Check::ok("terminal", message)
}
