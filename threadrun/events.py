"""Every event by name: those stored with a run, and those that are only logged.

Names are dotted and in the past tense. A stored event is logged under the same name, once, after it was
written. The engine's lines add run key, run id, thread id, profile, the claim's number, seconds since enqueue, and
the `seq`; the lines of a tools worker add run key, round and index.
"""

from __future__ import annotations

from typing import Final

STORED_EVENTS: Final = {
    "run.enqueued": "accepted; the first event of every run (`replay_of` names the run it repeats)",
    "run.admitted": "its thread is free; it left stage waiting",
    "thread.created": "a thread was created for it",
    "run.create_sent": "the create request is about to be sent (`attempt`)",
    "run.created": "the provider created it (`run_id`, `status`)",
    "run.create_unknown": "nobody knows whether the create had its effect; the thread is searched (`reason`)",
    "run.adopted": "the search found it; it was created after all",
    "run.status_changed": "the provider showed another status (`from`, `to`: statuses)",
    "run.status_unknown": "the provider showed a status that nobody knows; it is watched on",
    "run.held": "it waits for a reason that lies outside (`reason`: unauthorized, rate_limited, busy_thread, …)",
    "run.requires_action": "a round of tool calls was opened (`round`, `calls`)",
    "tool.refused": "a call was answered at once because nobody may or can run it (`kind`)",
    "tool.claimed": "a worker's child entered the handler (`tool`, `attempt`, `worker`)",
    "tool.reopened": "a call will be run again (`reason`: worker_died, child_killed, exception, timeout)",
    "tool.sent_again": "a call that nobody claimed was sent again (`sends`)",
    "tool.settled": "a call has its output (`kind`: ok, tool_error, exception, timeout, unknown_outcome, resolved, …)",
    "tool.released": "a person had a parked or quarantined call run again",
    "tool.quarantined": "so many processes died with a call that it is not run again (`strikes`, `deaths`)",
    "tool.outcome_unknown": "nobody knows how a call ended, and its tool wants the run to fail by it (`kind`)",
    "tool.parked": "nobody knows how a call ended, and its tool leaves that to a person (`kind`)",
    "run.outputs_ready": "every call of the round has its output",
    "tool_outputs.sent": "the outputs are about to be sent",
    "tool_outputs.submitted": "the provider accepted the outputs",
    "tool_outputs.refused": "the provider refused them (`reason`); the run is read to see why",
    "tool_outputs.unknown": "nobody knows whether they arrived (`reason`); the run is read to see",
    "tool_outputs.found_submitted": "the steps show that they had arrived",
    "tool_outputs.wanted_again": "the steps show that the provider does not have them; they are sent again",
    "tool_outputs.cancelled": "every call was answered as cancelled, so that the run can be cancelled",
    "run.quarantined": "three workers died with it alone in stage `stage`; it is left until its deadline",
    "run.released": "a person had it carried on",
    "run.cancel_requested": "somebody wished it cancelled",
    "run.cancelling": "it is being brought to an end (`reason`: cancel_requested, deadline_passed, …)",
    "run.cancel_sent": "a cancel is about to be sent",
    "run.ended": "it has ended (`outcome`); its thread is free",
    "run.finished": "the final record is written: the last event, and the canonical line of the run",
}
"""What `RunClient.events` gives, by `type`, with what its data tell."""

LOGGED_EVENTS: Final = {
    "worker.started": "a worker is ready to take work",
    "worker.draining": "it takes nothing new and finishes what is in hand",
    "worker.stopped": "it has ended cleanly",
    "worker.stuck": "its loop or its consumer stood still for too long (`what`, `stack`); it ends itself with code 70",
    "worker.left_unsaid": "it ended, but could not leave the list of workers",
    "run.handed_back": "a draining worker gave a run back; another looks at it at once",
    "run.left_to_lease": "Redis failed in mid-advance; the run is looked at again when its lease lapses",
    "run.advance_failed": "a defect of threadrun itself, with traceback; the run is looked at again",
    "run.undecided": "a defect of threadrun itself: its decisions went in a circle",
    "run.fact_too_late": "something was learnt of a run whose record was final already",
    "run.twin_found": "the provider has a second run of this key (`twin_run_id`), made by a create that came late",
    "run.twin_cancelled": "the provider took its cancel",
    "run.twin_left": "it shows no end long after its cancel; somebody should look at the provider",
    "run.twins_unread": "the thread could not be searched for twins for three minutes",
    "run.twins_left_to_lease": "a search for twins failed; they are looked for again when the lease lapses",
    "run.told": "the caller's on_done task was sent",
    "run.not_told": "it could not be sent; it will be sent again",
    "tool.settled_late": "a handler ended after its run had moved on; its output changes nothing",
    "tool.failed": "a handler raised; `reference` is what the model was told, `traceback` what happened",
    "tool.not_claimed": "a message came for a call that is not to be run any more (`verdict`)",
    "tool.not_served_here": "this worker does not have the handler; another one may",
    "tool.refused_unknown": "a message named a call that is not in the ledger",
    "tool.none_served": "at start: this tools worker was told no module with handlers",
    "tool.queue_not_consumed": "at start: a handler's queue is not consumed by this worker",
    "message.not_sent": "the broker did not take a message; it will be sent again",
    "message.not_given_back": "a broken broker connection kept a message; its visibility timeout gives it back",
    "wakeup.unknown_profile": "a wake-up named a profile that this worker does not have",
    "claim.failed": "Redis did not answer a claim that waited for a free slot; the next wake-up claims",
    "profile.metadata_not_echoed": "the server keeps runs' metadata to itself; set the profile's METADATA_ECHOED=false",
    "profile.paused": "all workers leave a provider alone (`kind`: GET, POST or both; `reason`, `seconds`; said once)",
    "profile.resumed": "it answered again, and all go on (`kind`; said once)",
    "token.not_renewed": "an Entra token could not be had; the old one serves until it expires, then runs are held",
    "tick.failed": "Redis did not answer the tick (said once)",
    "tick.resumed": "it answers again",
    "heartbeat.missed": "Redis did not take a heartbeat (said once)",
    "heartbeat.resumed": "it takes them again",
    "consumer.not_asked": "no fresh connection to the broker, which is waited for (debug)",
    "liveness.not_written": "the liveness file cannot be touched; the worker works on (said once)",
    "redis.waited_for": "at start: Redis is not reachable yet",
    "supervisor.gave_up": "supervisord could not start a worker (`program`) and is ended, so that this is seen",
    "control.refused": "somebody sent a remote-control command that this worker does not take",
}
"""What stands in the log only."""
