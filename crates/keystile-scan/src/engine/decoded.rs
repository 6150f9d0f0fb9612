//! Matches in decoded forms of a content.
//!
//! As in gitleaks, a match in a decoded form counts when it overlaps or touches something that was
//! decoded; so only the neighbourhoods of encoded segments are decoded and searched, each wide enough
//! for whatever the rules look at there. If a look goes beyond, all is done again with wider
//! neighbourhoods, in the end with the whole content.
//!
//! In derived content, segments that were copied together with all that was looked at around them are
//! left out, provided that nothing was found at any of them. What depends on the content as a whole
//! (keywords, rules that can match anywhere) sends the search back to all segments.

use std::collections::HashMap;

use super::cluster::{self, Cluster, Decoding};
use super::delta::{Derived, KeptDecoded, unite};
use super::scan::{Found, Part, Search};
use super::search::Hit;
use super::windows::{self, Look, NEAR, Opener, Window};
use super::{Match, Scanner, Scratch};
use crate::decode::{self, Options, Segments, barrier};
use crate::fingerprint::Fingerprint;
use crate::position::{Lines, Span};

/// How far beyond what was looked at a change is taken for near.
pub(super) const MARGIN: usize = 16;
/// What look-around may see beyond a window.
pub(super) const LOOK_AROUND: usize = 4;

/// Why a search has to be done again.
enum Again {
    /// A look went beyond a neighbourhood.
    Wider,
    /// A rule can match anywhere.
    Whole,
    /// The segments that were left out matter.
    All,
}

/// Where the decoded forms of derived content can differ from those of its base.
pub(super) struct Near {
    /// Segments that touch these are to be searched.
    ranges: Vec<Span>,
    /// The other segments.
    kept: Vec<Span>,
    /// See [`KeptDecoded::reach`].
    reach: usize,
    /// See [`Reuse::common`](super::delta::Reuse).
    common: Box<[usize]>,
}

impl Near {
    /// `None`: all segments are to be searched. `longest` is the length of the longest literal.
    pub(super) fn new(derived: Derived<'_>, content: &[u8], longest: usize) -> Option<Self> {
        let reach = derived.base.decoded.reach?;
        let (kept, cut) = derived.segments();
        // What a change says about the content's own segments ends at barriers, all of whose evidence was copied.
        let mut ranges = barrier::widen(content, &derived.wide_gaps(barrier::EVIDENCE));
        let reach_around = reach.saturating_add(longest.max(MARGIN));
        for range in &mut ranges {
            range.start = range.start.saturating_sub(reach_around);
            range.end = range.end.saturating_add(reach_around).min(content.len());
        }
        ranges.extend(cut);
        Some(Self { ranges: unite(ranges), kept, reach, common: derived.base.common.clone() })
    }

    /// Whether a rule with a common byte was searched for at the segments of the base, too.
    pub(super) fn knows_common(&self, rule: usize) -> bool {
        self.kept.is_empty() || self.common.contains(&rule)
    }

    /// Whether `span` overlaps or touches a segment that was copied, so that it might be another one in
    /// the decoded form.
    pub(super) fn touches_kept(&self, span: Span) -> bool {
        touches_any(&self.kept, span)
    }
}

/// Searches the decoded forms of `content` and adds what it finds to `found`, which has the matches of
/// the content itself. `scratch.keywords` are the keywords in the content; `near` says which parts of
/// derived content to look at, `far_looks` are parts of the content that a look at a literal far away
/// depended on.
pub(super) fn scan<'t>(
    scanner: &Scanner,
    scratch: &mut Scratch,
    content: &'t [u8],
    near: Option<Near>,
    far_looks: &[Span],
    lines: &mut Lines<'t>,
    found: &mut Found,
) -> KeptDecoded {
    let options = Options { strict: scanner.options.strict };
    // A rule that can match anywhere may do so at any segment, now that its keyword occurs.
    let is_anywhere = runs_anywhere(scanner, &scratch.keywords);
    // gitleaks searches the whole text again, and lets only those keywords count that stand in it then.
    let strict = scanner.options.strict;
    let mut near = near.filter(|near| !strict && (near.kept.is_empty() || !is_anywhere));
    let common = scanner.programs.open_common(&scratch.keywords);
    let mut keywords: Option<Vec<bool>> = None;
    let mut segments = Segments::default();
    let mut radius = if strict { content.len() } else { NEAR };
    loop {
        let (ranges, kept, reach) = match &near {
            Some(Near { ranges, kept, reach, .. }) => (ranges.clone(), kept.as_slice(), *reach),
            None => (vec![Span::new(0, content.len())], [].as_slice(), 0),
        };
        decode::find(content, &ranges, options, &mut segments);
        let places: Vec<Span> = segments.iter().map(|(place, _, _)| place).collect();
        if places.is_empty() {
            return KeptDecoded { segments: kept.into(), reach: Some(reach) };
        }
        // A search that is given up leaves marks behind.
        let of_content = keywords.get_or_insert_with(|| scratch.keywords.clone());
        scratch.keywords.copy_from_slice(of_content);
        let mut task = Task {
            scanner,
            scratch,
            content,
            far_looks,
            is_partial: near.is_some(),
            common: &common,
            inside: Vec::new(),
            deep: Vec::new(),
            reach,
        };
        let outcome =
            task.clusters(&places, radius, options, &mut segments).and_then(|clusters| task.run(&clusters, lines));
        let deep = task.deep;
        match outcome {
            Ok((in_decoded, reach)) => {
                let is_clean = !in_decoded.is_dirty && !in_decoded.is_blocked;
                found.add(in_decoded);
                sort(&mut found.matches);
                if !strict {
                    drop_repeated(&mut found.matches);
                }
                let segments = unite([kept, &places, &deep].concat());
                return KeptDecoded { segments: segments.into(), reach: is_clean.then_some(reach) };
            }
            Err(Again::Wider) => radius = radius.saturating_mul(8),
            Err(Again::Whole) => radius = content.len(),
            Err(Again::All) => near = None,
        }
    }
}

struct Task<'s, 't> {
    scanner: &'s Scanner,
    scratch: &'s mut Scratch,
    content: &'t [u8],
    far_looks: &'s [Span],
    /// Some segments were left out.
    is_partial: bool,
    /// Rules with a common byte that run because of a keyword in the content itself.
    common: &'s [usize],
    /// The segments in all neighbourhoods, sorted.
    inside: Vec<Span>,
    /// See [`Cluster::deep`].
    deep: Vec<Span>,
    /// How far looks went.
    reach: usize,
}

impl<'t> Task<'_, 't> {
    /// Decodes what is around the segments at `places`.
    fn clusters(
        &mut self,
        places: &[Span],
        radius: usize,
        options: Options,
        segments: &mut Segments,
    ) -> Result<Vec<Cluster>, Again> {
        let mut spans = whole_lines(self.content, places.iter().copied(), radius);
        loop {
            // Other segments in these neighbourhoods are decoded too, so they must lie inside wholly.
            if self.is_partial {
                decode::find(self.content, &spans, options, segments);
            }
            let inside: Vec<Span> = segments.iter().map(|(place, _, _)| place).collect();
            // What a literal far away sees of a segment differs in the decoded form.
            let looks = self.far_looks.iter().copied().filter(|look| touches_any(&inside, *look));
            let mut wider = whole_lines(self.content, looks, radius);
            wider.extend(whole_lines(self.content, inside.iter().copied(), 0));
            wider.extend_from_slice(&spans);
            let wider = unite(wider);
            if wider == spans {
                break;
            }
            spans = wider;
        }
        self.inside = segments.iter().map(|(place, _, _)| place).collect();
        let decoding = Decoding {
            depth: self.scanner.options.decode_depth as usize,
            options,
            longest: self.scanner.programs.literals.longest(),
        };
        let mut clusters = Vec::with_capacity(spans.len());
        for &window in &spans {
            let asked = hull(places, window);
            let cluster = Cluster::new(self.content, window, segments, asked, decoding).ok_or(Again::Wider)?;
            // Strict mode takes over nothing.
            if !options.strict {
                for span in cluster.depends_deeper(self.content, decoding.depth) {
                    self.reach = self.reach.max(cluster::distance(&self.inside, span));
                }
            }
            self.deep.extend_from_slice(&cluster.deep);
            clusters.push(cluster);
        }
        if !self.deep.is_empty() {
            self.deep = unite(std::mem::take(&mut self.deep));
            let is_inside = |look: Span| {
                let behind = spans.partition_point(|window| window.start <= look.start);
                behind.checked_sub(1).is_some_and(|index| look.end <= spans[index].end)
            };
            if self.far_looks.iter().any(|look| touches_any(&self.deep, *look) && !is_inside(*look)) {
                return Err(Again::Wider);
            }
        }
        Ok(clusters)
    }

    /// Searches every depth; gives what was found, and how far looks went.
    fn run(&mut self, clusters: &[Cluster], lines: &mut Lines<'t>) -> Result<(Found, usize), Again> {
        let mut all = Found::default();
        for depth in 1..=clusters.iter().map(|cluster| cluster.layers.len()).max().unwrap_or(0) {
            let of_depth: Vec<&Cluster> = clusters.iter().filter(|cluster| cluster.layers.len() >= depth).collect();
            let found = self.depth(&of_depth, depth, lines)?;
            all.is_dirty |= found.is_dirty;
            all.is_blocked |= found.is_blocked;
            all.add(found);
            if self.is_partial && (all.is_dirty || all.is_blocked) {
                return Err(Again::All);
            }
        }
        Ok((all, self.reach))
    }

    /// Searches the texts that were decoded `depth` times.
    fn depth(&mut self, clusters: &[&Cluster], depth: usize, lines: &mut Lines<'t>) -> Result<Found, Again> {
        let programs = &self.scanner.programs;
        if self.scanner.options.strict {
            self.scratch.keywords.fill(false);
        }
        let mut hits_of: Vec<Vec<Hit>> = Vec::with_capacity(clusters.len());
        for cluster in clusters {
            let text = cluster.layers[depth - 1].text();
            let mut hits = Vec::new();
            programs.literals.find(text, 0, text.len(), &mut hits);
            windows::mark_keywords(programs, &hits, &mut self.scratch.keywords);
            hits_of.push(hits);
        }

        let is_whole = clusters.iter().all(|cluster| cluster.window == Span::new(0, self.content.len()));
        let is_anywhere = runs_anywhere(self.scanner, &self.scratch.keywords);
        if is_anywhere && self.is_partial {
            return Err(Again::All);
        }
        if is_anywhere && !is_whole {
            return Err(Again::Whole);
        }

        // A keyword in decoded text lets a rule run that did not run at the segments before.
        let opens_common = programs.open_common(&self.scratch.keywords).iter().any(|rule| !self.common.contains(rule));
        if opens_common && self.is_partial {
            return Err(Again::All);
        }

        let mut parts = Vec::with_capacity(clusters.len());
        for (cluster, mut hits) in clusters.iter().zip(hits_of) {
            let layers = &cluster.layers[..depth];
            let windows = self.open(cluster, depth, &mut hits)?;
            parts.push(Part { text: layers[depth - 1].text(), layers, windows });
        }
        let mut search = Search {
            scanner: self.scanner,
            caches: &mut self.scratch.caches,
            memo: &mut self.scratch.memo,
            keywords: &self.scratch.keywords,
            content: self.content,
            derived: None,
        };
        let mut found = search.run(&parts, lines);
        found.is_dirty |= is_anywhere || opens_common;
        Ok(found)
    }

    /// The windows in the text that was decoded `depth` times that have something decoded in them.
    fn open(&mut self, cluster: &Cluster, depth: usize, hits: &mut [Hit]) -> Result<Vec<Window>, Again> {
        let content = self.content;
        let (layer, exact) = (&cluster.layers[depth - 1], cluster.exact[depth - 1]);
        let text = layer.text();
        let (is_cut_before, is_cut_after) = (cluster.is_cut_before(), cluster.is_cut_after(content));
        let is_strict = self.scanner.options.strict;
        let mut is_too_narrow = false;
        let mut reach = self.reach;
        let inside = &self.inside;
        let mut windows = Vec::new();
        let looked = |look: Look| {
            let seen = look.span(text.len());
            if layer.touches_decoded(seen) {
                is_too_narrow |= is_cut_before && look.before.saturating_add(exact.start) > look.literal.start;
                is_too_narrow |= is_cut_after && look.after.saturating_add(look.literal.end) > exact.end;
                // Strict mode searches all again, and there this would go through every segment in sight.
                if !is_strict {
                    reach = reach.max(cluster::distance(inside, cluster.depends_on(content, depth, seen)));
                }
            }
        };
        let Scratch { runs, keywords, .. } = &mut *self.scratch;
        let programs = &self.scanner.programs;
        Opener { programs, runs, keywords }.open(text, hits, None, &mut windows, looked);
        windows.retain(|window| layer.touches_decoded(window.span));
        for Window { span, .. } in &windows {
            is_too_narrow |= is_cut_before && span.start < exact.start + LOOK_AROUND;
            is_too_narrow |= is_cut_after && span.end + LOOK_AROUND > exact.end;
        }
        self.reach = reach;
        if is_too_narrow { Err(Again::Wider) } else { Ok(windows) }
    }
}

/// Whether a rule runs whose matches can lie anywhere.
fn runs_anywhere(scanner: &Scanner, keywords: &[bool]) -> bool {
    let programs = &scanner.programs;
    let mut rules = programs.unanchored.iter().filter_map(|&rule| programs.rules[rule].as_ref());
    programs.requires_unanchored || rules.any(|program| program.reports && program.gate.is_open(keywords))
}

/// Sorts matches by rule and place.
fn sort(matches: &mut [Match]) {
    matches.sort_by_key(|found| (found.rule, found.span.start, found.encodings.len()));
}

/// Drops the matches in decoded forms that were found before they were decoded, or less deeply decoded:
/// a match may only touch what was decoded. gitleaks reports them again.
fn drop_repeated(matches: &mut Vec<Match>) {
    let mut places: HashMap<(usize, Fingerprint), Vec<(Span, usize)>> = HashMap::new();
    for found in matches.iter() {
        places.entry((found.rule, found.fingerprint)).or_default().push((found.span, found.encodings.len()));
    }
    matches.retain(|found| {
        let depth = found.encodings.len();
        depth == 0
            || !places[&(found.rule, found.fingerprint)].iter().any(|&(span, other_depth)| {
                other_depth < depth && span.start < found.span.end && found.span.start < span.end
            })
    });
}

/// Whether `span`, with what look-around sees, touches one of `segments` (sorted).
fn touches_any(segments: &[Span], span: Span) -> bool {
    let first = segments.partition_point(|segment| segment.end + LOOK_AROUND < span.start);
    segments.get(first).is_some_and(|segment| segment.start <= span.end + LOOK_AROUND)
}

/// From the first to the last of `places` (sorted) in `window`, in which they lie wholly or not at all.
fn hull(places: &[Span], window: Span) -> Option<Span> {
    let first = places.partition_point(|place| place.start < window.start);
    let behind = places.partition_point(|place| place.end <= window.end);
    match places.get(first..behind)? {
        [] => None,
        [first, .., last] | [first @ last] => Some(Span::new(first.start, last.end)),
    }
}

/// The lines of `spans` and of `radius` bytes on both sides of each, united. A line is looked at once,
/// however many spans stand in it, as long as they come in order.
fn whole_lines(text: &[u8], spans: impl Iterator<Item = Span>, radius: usize) -> Vec<Span> {
    let mut lines: Vec<Span> = Vec::new();
    for span in spans {
        let start = span.start.saturating_sub(radius);
        let end = span.end.saturating_add(radius).min(text.len());
        match lines.last_mut() {
            Some(last) if last.start <= start && end <= last.end => {}
            Some(last) if last.start <= start && start <= last.end => last.end = line_end(text, end),
            _ => lines.push(Span::new(line_start(text, start), line_end(text, end))),
        }
    }
    unite(lines)
}

fn line_start(text: &[u8], at: usize) -> usize {
    memchr::memrchr(b'\n', &text[..at]).map_or(0, |feed| feed + 1)
}

/// Behind the line's line feed.
fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |offset| at + offset + 1)
}
