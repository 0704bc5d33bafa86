#![allow(clippy::unwrap_used)]

//! The book says what the program says where that cannot be compiled.

const REDIS: &str = include_str!("../../docs/src/guides/redis.md");

/// The commands that the page on Redis grants are those of the constant, with which the suite runs.
#[test]
fn the_rights_of_the_page_on_redis_are_those_of_the_store() {
    let page = REDIS.split("<!-- acl").nth(1).unwrap();
    let shown = page.split("```").nth(1).unwrap();
    let commands = |text: &str| {
        text.split_whitespace().skip_while(|word| *word != "-@all").collect::<Vec<_>>().join(" ")
    };
    assert_eq!(commands(shown), commands(agentexec::redis::ACL_COMMANDS));
}
