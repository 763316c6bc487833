//! Lists of runs.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use datamanager::{IndexScan, Query, Snapshot};

use super::Actions;
use crate::Error;
use crate::api::{GetRunsResponse, Group, RunPhase, RunResult};
use crate::store::{Reading, RunDocument, with_slash};

/// Runs of a page if nothing is said, and at most.
const LIMIT_DEFAULT: usize = 25;
const LIMIT_MAX: usize = 40;
/// Elements of a path up to which runs are looked for among all of its root: mostly most of them match.
const ROOT_ELEMENTS_MAX: usize = 3;
/// Groups whose runs are read side by side, at most.
const GROUPS_MERGED_MAX: usize = 256;
/// Greater than the id of every run.
const ID_END: &str = "\u{10ffff}";
const PHASES: [RunPhase; 5] = [
    RunPhase::SetupError,
    RunPhase::Queued,
    RunPhase::Cancelled,
    RunPhase::Running,
    RunPhase::Finished,
];

/// Which runs are meant. Names that are none match nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunFilter {
    /// One of these phases; empty for any.
    pub(crate) phases: Vec<String>,
    /// One of these results; empty for any.
    pub(crate) results: Vec<String>,
    /// In one of these groups, or below one; empty for any.
    pub(crate) groups: Vec<String>,
    /// With greater numbers than this, or with smaller ones.
    pub(crate) counters: Option<Counters>,
}

/// Numbers of runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counters {
    Above(u64),
    Below(u64),
}

impl Counters {
    fn have(self, counter: u64) -> bool {
        match self {
            Counters::Above(bound) => counter > bound,
            Counters::Below(bound) => counter < bound,
        }
    }
}

impl RunFilter {
    fn accepts(&self, document: &RunDocument) -> bool {
        let run = &document.run;
        let is_one = |accepted: &[String], name: &str| {
            accepted.is_empty() || accepted.iter().any(|accepted| accepted == name)
        };
        self.counters
            .is_none_or(|counters| counters.have(run.counter))
            && is_one(&self.phases, run.phase.as_str())
            && is_one(&self.results, run.result.as_str())
            && (self.groups.is_empty() || self.groups.iter().any(|group| document.is_within(group)))
    }

    fn accepted_phases(&self) -> Vec<RunPhase> {
        let phases = PHASES.into_iter();
        let named = |phase: &RunPhase| {
            self.phases.is_empty() || self.phases.iter().any(|name| name == phase.as_str())
        };
        phases.filter(named).collect()
    }
}

/// A page of runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunQuery {
    pub(crate) filter: RunFilter,
    /// Of each group the newest one alone.
    pub(crate) last_run: bool,
    /// Begins behind the run with this id; empty for the beginning.
    pub(crate) start: String,
    pub(crate) limit: Option<u64>,
    /// The oldest first.
    pub(crate) ascending: bool,
}

/// A page of the runs of one group.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupQuery {
    pub(crate) group: String,
    pub(crate) phases: Vec<String>,
    pub(crate) results: Vec<String>,
    /// Begins behind the run with this number; 0 for the beginning.
    pub(crate) start: u64,
    pub(crate) limit: Option<u64>,
    pub(crate) ascending: bool,
}

fn page_limit(limit: Option<u64>) -> usize {
    let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX)
}

impl Actions {
    /// A page of runs by id, with a token for change groups.
    pub(crate) async fn runs(
        &self,
        query: &RunQuery,
        change_groups: &[String],
    ) -> Result<GetRunsResponse, Error> {
        let token = self.token(change_groups)?;
        let snapshot = self.snapshot();
        let place = Place {
            start: &query.start,
            ascending: query.ascending,
        };
        let limit = page_limit(query.limit);
        let documents = match query.last_run && !query.filter.groups.is_empty() {
            true => last_runs(&snapshot, &query.filter, place, limit).await?,
            false => page(&snapshot, &query.filter, place, limit).await?,
        };
        Ok(response(documents, token))
    }

    /// A page of the runs of a group.
    pub(crate) async fn group_runs(
        &self,
        query: &GroupQuery,
        change_groups: &[String],
    ) -> Result<GetRunsResponse, Error> {
        let token = self.token(change_groups)?;
        let mut snapshot = self.snapshot();
        let filter = RunFilter {
            phases: query.phases.clone(),
            results: query.results.clone(),
            groups: vec![query.group.clone()],
            counters: match (query.start, query.ascending) {
                (0, _) => None,
                (start, true) => Some(Counters::Above(start)),
                (start, false) => Some(Counters::Below(start)),
            },
        };
        let start = match query.start {
            0 => String::new(),
            counter => place_of(&mut snapshot, &query.group, counter, query.ascending).await?,
        };
        let place = Place {
            start: &start,
            ascending: query.ascending,
        };
        let documents = page(&snapshot, &filter, place, page_limit(query.limit)).await?;
        Ok(response(documents, token))
    }
}

fn response(documents: Vec<RunDocument>, token: String) -> GetRunsResponse {
    GetRunsResponse {
        runs: documents.into_iter().map(|document| document.run).collect(),
        change_groups_update_tokens: token,
    }
}

/// Where a list begins, and in which direction it goes.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    /// Empty for the beginning.
    start: &'a str,
    ascending: bool,
}

impl Place<'_> {
    fn order(self, left: &str, right: &str) -> Ordering {
        match self.ascending {
            true => left.cmp(right),
            false => right.cmp(left),
        }
    }

    fn is_behind_start(self, id: &str) -> bool {
        self.start.is_empty() || self.order(id, self.start) == Ordering::Greater
    }

    /// The runs with a value in an index of values and ids.
    fn query(self, index: &str, value: &str) -> Query {
        let start = |unbounded| match self.start {
            "" => Bound::Included((value, unbounded)),
            start => Bound::Excluded((value, start)),
        };
        let query = Query::by(index);
        match self.ascending {
            true => query.range((start(""), Bound::Included((value, ID_END)))),
            false => query
                .range((Bound::Included((value, "")), start(ID_END)))
                .descending(),
        }
    }
}

/// An id behind which all runs of a group come that are numbered behind `counter`: numbers and ids rise together below one
/// root. Where a group has no root of its own it is the beginning.
async fn place_of(
    snapshot: &mut Snapshot,
    group: &str,
    counter: u64,
    ascending: bool,
) -> Result<String, Error> {
    let Ok(path) = group.parse::<Group>() else {
        return Ok(String::new());
    };
    let root = path.root_name();
    // Of the runs with this number or beyond it the nearest.
    let query = Query::by("root_counter");
    let query = match ascending {
        true => query.range((root, 0)..=(root, counter)).descending(),
        false => query.range((root, counter)..=(root, u64::MAX)),
    };
    let nearest = snapshot.list::<RunDocument>(&query.limit(1)).await?.pop();
    Ok(nearest.map(|nearest| nearest.id).unwrap_or_default())
}

/// Runs of one query, with the next one looked at.
struct Source {
    scan: IndexScan<'static, RunDocument>,
    head: Option<RunDocument>,
}

async fn page(
    snapshot: &Snapshot,
    filter: &RunFilter,
    place: Place<'_>,
    limit: usize,
) -> Result<Vec<RunDocument>, Error> {
    let mut found: Vec<RunDocument> = Vec::new();
    if limit == 0 {
        return Ok(found);
    }
    let mut sources = Vec::new();
    for query in queries(snapshot, filter, place).await? {
        let mut scan = snapshot.query::<RunDocument>(&query).await?;
        let head = scan.next().await?;
        sources.push(Source { scan, head });
    }
    while found.len() < limit {
        let next = sources
            .iter_mut()
            .filter(|source| source.head.is_some())
            .min_by(|left, right| {
                let id = |source: &Source| source.head.as_ref().map(|run| run.id.clone());
                let (left, right) = (id(left), id(right));
                place.order(&left.unwrap_or_default(), &right.unwrap_or_default())
            });
        let Some(source) = next else {
            break;
        };
        let Some(document) = source.head.take() else {
            break;
        };
        source.head = source.scan.next().await?;
        // Where groups lie in each other a run comes twice.
        let is_new = found.last().is_none_or(|last| last.id != document.id);
        if is_new && filter.accepts(&document) {
            found.push(document);
        }
    }
    Ok(found)
}

/// Queries that together give all runs which are meant, and few others; each in the order of the ids.
async fn queries(
    snapshot: &Snapshot,
    filter: &RunFilter,
    place: Place<'_>,
) -> Result<Vec<Query>, Error> {
    let phases = filter.accepted_phases();
    let is_active = |phase: &RunPhase| matches!(phase, RunPhase::Queued | RunPhase::Running);
    let by_phase = || {
        let queries = phases
            .iter()
            .map(|phase| place.query("phase", phase.as_str()));
        queries.collect::<Vec<Query>>()
    };
    // Of those there are few.
    if phases.iter().all(is_active) {
        return Ok(by_phase());
    }
    if filter.groups.is_empty() {
        if filter.phases.is_empty() && !filter.results.is_empty() {
            let results: BTreeSet<&str> = filter
                .results
                .iter()
                .filter_map(|name| name.parse::<RunResult>().ok())
                .map(RunResult::as_str)
                .collect();
            let queries = results.iter().map(|result| place.query("result", result));
            return Ok(queries.collect());
        }
        return Ok(by_phase());
    }
    let mut roots = BTreeSet::new();
    let mut groups = BTreeSet::new();
    for group in &filter.groups {
        let elements = group.split('/').filter(|element| !element.is_empty());
        let Ok(path) = group.trim_end_matches('/').parse::<Group>() else {
            return Ok(by_phase());
        };
        let is_deep = elements.count() > ROOT_ELEMENTS_MAX;
        let below = match is_deep {
            true => groups_below(snapshot, group, GROUPS_MERGED_MAX).await?,
            false => None,
        };
        match below {
            Some(below) => groups.extend(below),
            None => {
                roots.insert(path.root_name().to_owned());
            }
        }
    }
    if roots.len() + groups.len() > GROUPS_MERGED_MAX {
        return Ok(by_phase());
    }
    let roots = roots.iter().map(|root| place.query("root", root));
    let groups = groups.iter().map(|group| place.query("group", group));
    Ok(roots.chain(groups).collect())
}

/// The groups with runs that are a group or lie below it, as they stand in the index; `None` if there are more than
/// `count_max`.
async fn groups_below(
    snapshot: &Snapshot,
    group: &str,
    count_max: usize,
) -> Result<Option<Vec<String>>, Error> {
    let mut walk = GroupWalk::new(group);
    let mut groups = Vec::new();
    while let Some(next) = walk.next(snapshot).await? {
        if groups.len() == count_max {
            return Ok(None);
        }
        groups.push(next);
    }
    Ok(Some(groups))
}

/// Goes from group to group without reading the runs between.
struct GroupWalk {
    prefix: String,
    last: Option<String>,
}

impl GroupWalk {
    fn new(group: &str) -> GroupWalk {
        GroupWalk {
            prefix: with_slash(group),
            last: None,
        }
    }

    async fn next(&mut self, snapshot: &Snapshot) -> Result<Option<String>, Error> {
        let low = match &self.last {
            None => Bound::Included((self.prefix.as_str(), "")),
            Some(last) => Bound::Excluded((last.as_str(), ID_END)),
        };
        let query = Query::by("group").range((low, Bound::Unbounded)).limit(1);
        let mut scan = snapshot.query::<RunDocument>(&query).await?;
        let next = scan.next().await?;
        let next = next.map(|document| with_slash(&document.run.group));
        let next = next.filter(|group| group.starts_with(&self.prefix));
        if let Some(next) = &next {
            self.last = Some(next.clone());
        }
        Ok(next)
    }
}

/// Of each group the newest run that is meant, and of these a page.
async fn last_runs(
    snapshot: &Snapshot,
    filter: &RunFilter,
    place: Place<'_>,
    limit: usize,
) -> Result<Vec<RunDocument>, Error> {
    let newest_first = Place {
        start: "",
        ascending: false,
    };
    let mut found: BTreeMap<String, RunDocument> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for group in &filter.groups {
        let mut walk = GroupWalk::new(group);
        while let Some(group) = walk.next(snapshot).await? {
            if !seen.insert(group.clone()) {
                continue;
            }
            let query = newest_first.query("group", &group);
            let mut scan = snapshot.query::<RunDocument>(&query).await?;
            while let Some(document) = scan.next().await? {
                if filter.accepts(&document) {
                    if place.is_behind_start(&document.id) {
                        found.insert(document.id.clone(), document);
                    }
                    break;
                }
            }
            // Those that come behind the page are not kept.
            if found.len() > limit {
                match place.ascending {
                    true => found.pop_last(),
                    false => found.pop_first(),
                };
            }
        }
    }
    let mut documents: Vec<RunDocument> = found.into_values().collect();
    if !place.ascending {
        documents.reverse();
    }
    Ok(documents)
}
