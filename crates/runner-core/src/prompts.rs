//! Words for a model: how to report its status, and how to wrap up.

/// Tells a model to use the tool `report_activity`. Put it into an agent's instructions.
pub const REPORT_STATUS: &str = "As you work, keep the user informed with the `report_activity` tool: say in a \
few words what you are doing now and give your best estimate of the overall progress as a percentage from 0 to \
100. Report at the start, at each new step, and before anything that takes long. Do not mention these reports in \
your answer.";

/// Asks a model that reached its limit of turns for an answer out of what it has.
pub const WRAP_UP: &str = "You have reached the limit of steps for this task. Do not start anything new. Using only \
what you have found so far, give your best final answer now, and say plainly what is missing.";

/// The prompts that a runner uses. Each can be replaced.
///
/// ```
/// use agentexec_runner_core::Prompts;
///
/// let mut prompts = Prompts::default();
/// prompts.wrap_up = "Time is up: answer with what you have.".into();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prompts {
    /// How to report progress, for a runner that tells its framework so; default [`REPORT_STATUS`]. Agents have it
    /// in their instructions instead, where whoever defines them puts it.
    pub report_status: String,
    /// How to wrap up at the limit of turns; default [`WRAP_UP`].
    pub wrap_up: String,
}

impl Default for Prompts {
    fn default() -> Self {
        Self { report_status: REPORT_STATUS.into(), wrap_up: WRAP_UP.into() }
    }
}
