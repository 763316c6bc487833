use super::*;
use crate::api::Depend;

/// Tasks with these ids, from `2>1` for "2 depends on 1"; `task<n>` is the name.
fn graph(text: &str) -> Tasks {
    let mut tasks = Tasks::new();
    let mut add = |id: &str, parent: Option<&str>| {
        let task = tasks.entry(id.to_owned()).or_default();
        task.id = id.to_owned();
        task.name = format!("task{id}");
        if let Some(parent) = parent {
            let depend = Depend {
                task_id: parent.to_owned(),
                ..Default::default()
            };
            task.depends.insert(parent.to_owned(), depend);
        }
    };
    for part in text.split_whitespace() {
        match part.split_once('>') {
            Some((id, parents)) => {
                for parent in parents.split(',') {
                    add(parent, None);
                    add(id, Some(parent));
                }
            }
            None => add(part, None),
        }
    }
    tasks
}

fn shown_levels(text: &str) -> Option<String> {
    let tasks = graph(text);
    let levels = levels(&tasks)?;
    let shown: Vec<String> = levels
        .iter()
        .map(|(id, level)| format!("{id}:{level}"))
        .collect();
    Some(shown.join(" "))
}

#[test]
fn the_level_of_a_task_is_one_more_than_the_highest_of_its_parents() {
    for (text, expected) in [
        ("", Some("")),
        ("1", Some("1:0")),
        ("1 2", Some("1:0 2:0")),
        ("2>1", Some("1:0 2:1")),
        ("2>1 3>2,1 4>1", Some("1:0 2:1 3:2 4:1")),
        ("1>2 2>1", None),
        ("1>2 2>3 3>1", None),
        ("1>2 2>3 3>2", None),
        ("1>1", None),
    ] {
        assert_eq!(shown_levels(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn the_ancestors_of_a_task_are_all_that_it_depends_on() {
    for (text, expected) in [
        ("1", "1:"),
        ("1 2", "1: 2:"),
        ("1>1", "1:1"),
        ("2>1", "1: 2:1"),
        ("1>2,3 2>4 3>5", "1:2345 2:4 3:5 4: 5:"),
        ("1>2 2>1", "1:12 2:12"),
        ("1>2 2>3 3>1", "1:123 2:123 3:123"),
        ("1>2 2>3 3>2", "1:23 2:23 3:23"),
    ] {
        let tasks = graph(text);
        let shown: Vec<String> = tasks
            .keys()
            .map(|id| {
                let found: Vec<&str> = ancestors(&tasks, id).into_iter().collect();
                format!("{id}:{}", found.concat())
            })
            .collect();
        assert_eq!(shown.join(" "), expected, "{text}");
    }
}

#[test]
fn descendants_are_all_that_depend_on_a_task() {
    let tasks = graph("2>1 3>2 4>1 5 6>5,3");
    let found = |ids: &[&'static str]| {
        let found: Vec<&str> = with_descendants(&tasks, ids.iter().copied())
            .into_iter()
            .collect();
        found.concat()
    };
    assert_eq!(found(&["1"]), "12346");
    assert_eq!(found(&["5", "2"]), "2356");
    assert_eq!(found(&[]), "");
    let cycle = graph("1>2 2>1 3>2");
    assert_eq!(with_descendants(&cycle, ["1"]).len(), 3);
}

fn cycle(task: &str, needed_by: &str) -> GraphFault {
    GraphFault::Cycle {
        task: task.to_owned(),
        needed_by: needed_by.to_owned(),
    }
}

fn redundant(task: &str, parent: &str, shared: &str) -> GraphFault {
    GraphFault::Redundant {
        task: task.to_owned(),
        parent: parent.to_owned(),
        shared: shared.to_owned(),
    }
}

#[test]
fn cycles_and_redundant_dependencies_are_reported() {
    for (text, expected) in [
        ("1", vec![]),
        ("1 2", vec![]),
        ("2>1", vec![]),
        (
            "1>2 2>1",
            vec![cycle("task1", "task2"), cycle("task2", "task1")],
        ),
        (
            "1>2 2>3 3>1",
            vec![
                cycle("task1", "task3"),
                cycle("task2", "task1"),
                cycle("task3", "task2"),
            ],
        ),
        (
            "1>2 2>3 3>2",
            vec![cycle("task2", "task3"), cycle("task3", "task2")],
        ),
        ("1>1", vec![cycle("task1", "task1")]),
        ("2>1 3>2,1", vec![redundant("task3", "task2", "task1")]),
        ("2>1 3>2 4>3,1", vec![redundant("task4", "task3", "task1")]),
    ] {
        assert_eq!(faults(&graph(text)), expected, "{text}");
    }
}

/// Field case CI-20: a dependency on what is not there would wait for ever.
#[test]
fn a_parent_that_is_not_there_or_stands_under_another_key_is_reported() {
    let mut tasks = graph("2>1 3>2");
    tasks.remove("1");
    assert_eq!(
        faults(&tasks),
        [GraphFault::UnknownParent {
            task: "task2".to_owned(),
            parent: "1".to_owned()
        }]
    );
    let mut tasks = graph("2>1 3");
    let task = tasks.get_mut("2").unwrap();
    task.depends.get_mut("1").unwrap().task_id = "3".to_owned();
    task.name.clear();
    assert_eq!(
        faults(&tasks),
        [GraphFault::OtherParent {
            task: "2".to_owned(),
            key: "1".to_owned(),
            parent: "3".to_owned()
        }]
    );
}

#[test]
fn setup_errors_are_one_for_each_kind_of_fault() {
    let mut tasks = graph("1>2 2>1 4>3");
    tasks.remove("3");
    assert_eq!(
        setup_errors(&tasks),
        [
            r#"task "task4" depends on "3", which is not there"#,
            r#"task "task1" depends on itself: it is needed by "task2", task "task2" depends on itself: it is needed by "task1""#,
        ]
    );
    assert!(setup_errors(&graph("2>1")).is_empty());
}

#[test]
fn large_graphs_are_looked_at_up_to_a_bound() {
    let chain: Vec<String> = (1..TASKS_MAX)
        .map(|number| format!("{number}>{}", number - 1))
        .collect();
    let mut tasks = graph(&chain.join(" "));
    assert_eq!(tasks.len(), TASKS_MAX);
    assert_eq!(faults(&tasks), []);
    assert_eq!(levels(&tasks).unwrap().len(), TASKS_MAX);
    tasks.extend(graph("more"));
    let count = TASKS_MAX + 1;
    assert_eq!(faults(&tasks), [GraphFault::TooManyTasks { count }]);
}
