//! What the checks read from Markdown: headings and their anchors, links, code blocks, tables.

use std::collections::HashMap;
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A page, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// What a link can point at behind `#`.
    pub(crate) anchors: Vec<String>,
    pub(crate) links: Vec<Link>,
    pub(crate) code: Vec<CodeBlock>,
    pub(crate) tables: Vec<Row>,
}

/// A link or an image.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) line: usize,
    pub(crate) to: String,
}

/// A fenced block: the words after its fence, as in `rust,no_run`.
#[derive(Debug)]
pub(crate) struct CodeBlock {
    pub(crate) line: usize,
    pub(crate) info: String,
}

/// A row of a table, below its head.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) line: usize,
    /// The heading under which the table stands.
    pub(crate) under: String,
    /// The inline code in the first cell.
    pub(crate) names: Vec<String>,
    /// The text of all further cells.
    pub(crate) rest: String,
}

impl Page {
    pub(crate) fn parse(text: &str) -> Self {
        let mut builder = Builder { text, ..Builder::default() };
        let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH;
        for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
            builder.event(event, &range);
        }
        builder.page
    }
}

#[derive(Default)]
struct Builder<'a> {
    text: &'a str,
    page: Page,
    /// The text of the heading that is being read, or of the last one.
    heading: String,
    in_heading: bool,
    in_body_row: bool,
    cell: usize,
    slugs: HashMap<String, usize>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, range: &Range<usize>) {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                self.heading.clear();
                self.in_heading = true;
            }
            Event::End(TagEnd::Heading(_)) => {
                self.in_heading = false;
                let anchor = self.unique_slug();
                self.page.anchors.push(anchor);
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                self.page.links.push(Link { line: self.line(range), to: dest_url.into_string() });
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                self.page.code.push(CodeBlock { line: self.line(range), info: info.into_string() });
            }
            Event::Start(Tag::TableRow) => {
                self.in_body_row = true;
                self.cell = 0;
                let row = Row {
                    line: self.line(range),
                    under: self.heading.clone(),
                    names: vec![],
                    rest: String::new(),
                };
                self.page.tables.push(row);
            }
            Event::End(TagEnd::TableRow) => self.in_body_row = false,
            Event::End(TagEnd::TableCell) => self.cell += 1,
            Event::Code(code) => self.words(&code, true),
            Event::Text(text) => self.words(&text, false),
            Event::Html(html) | Event::InlineHtml(html) => self.page.anchors.extend(html_anchors(&html)),
            _ => {}
        }
    }

    fn words(&mut self, text: &str, is_code: bool) {
        if self.in_heading {
            self.heading.push_str(text);
        }
        if self.in_body_row
            && let Some(row) = self.page.tables.last_mut()
        {
            if self.cell > 0 {
                row.rest.push_str(text);
            } else if is_code {
                row.names.push(text.to_owned());
            }
        }
    }

    /// The second heading of a name gets `-1`, as on GitHub and in mdBook.
    fn unique_slug(&mut self) -> String {
        let slug = slug(&self.heading);
        let seen = self.slugs.entry(slug.clone()).or_default();
        *seen += 1;
        if *seen == 1 { slug } else { format!("{slug}-{}", *seen - 1) }
    }

    fn line(&self, range: &Range<usize>) -> usize {
        self.text.bytes().take(range.start).filter(|&byte| byte == b'\n').count() + 1
    }
}

fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase()
}

/// The names in `<a id="…">` and `<a name="…">`.
fn html_anchors(html: &str) -> Vec<String> {
    let values = [" id=\"", " name=\""].into_iter().flat_map(|attribute| html.split(attribute).skip(1));
    values.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_made_as_github_and_mdbook_make_them() {
        let page =
            Page::parse("# The `run` command, & more\n\n## Errors\n\n## Errors\n\n<a id=\"here\"></a>\n");
        assert_eq!(page.anchors, ["the-run-command--more", "errors", "errors-1", "here"]);
    }

    #[test]
    fn links_have_lines_and_those_in_code_are_none() {
        let page =
            Page::parse("text\n\n[a](b.md#c) `[x](y)`\n\n```text\n[x](y)\n```\n\n[ref]\n\n[ref]: d.md\n");
        let links: Vec<_> = page.links.iter().map(|link| (link.line, link.to.as_str())).collect();
        assert_eq!(links, [(3, "b.md#c"), (9, "d.md")]);
    }

    #[test]
    fn fenced_blocks_have_their_words() {
        let page = Page::parse("```rust,no_run\nfn main() {}\n```\n\n    indented\n\n```\nplain\n```\n");
        let code: Vec<_> = page.code.iter().map(|block| (block.line, block.info.as_str())).collect();
        assert_eq!(code, [(1, "rust,no_run"), (7, "")]);
    }

    #[test]
    fn tables_have_the_names_of_their_first_column_and_the_heading_above() {
        let text = "## Dependencies\n\n| crate | why |\n|---|---|\n| `a`, `b` | both `do` it |\n| c | |\n";
        let page = Page::parse(text);
        let [first, second] = page.tables.as_slice() else { panic!("two rows: {:?}", page.tables) };
        assert_eq!(
            (first.line, first.under.as_str(), first.rest.as_str()),
            (5, "Dependencies", "both do it")
        );
        assert_eq!(first.names, ["a", "b"]);
        assert_eq!((second.names.len(), second.rest.as_str()), (0, ""));
    }
}
