// SPDX-License-Identifier: Apache-2.0

/// A timeline in the trace event format, which chrome://tracing and ui.perfetto.dev show.
package struct ChromeTrace: Sendable, Codable, Equatable {
    /// One event: a span of time ("X") or the name of a thread ("M").
    package struct Event: Sendable, Codable, Equatable {
        package var name: String
        /// The kind of event.
        package var ph: String
        package var pid: Int
        package var tid: Int
        /// Microseconds since the first event.
        package var ts: Double?
        /// Microseconds.
        package var dur: Double?
        package var args: Arguments
    }

    package struct Arguments: Sendable, Codable, Equatable {
        /// Of a process or thread.
        package var name: String?
        package var layer: Int?
        /// Tasks that the thread did in a loop.
        package var tasks: Int?
        /// Rows of the step.
        package var rows: Int?
    }

    package var displayTimeUnit = "ms"
    package var traceEvents: [Event]

    /// What `timeline` holds now: a process per executor, a thread per member of its team.
    package init(_ timeline: StepTimeline, name: String, process: Int = 1) {
        func label(_ kind: String, _ tid: Int, _ name: String) -> Event {
            Event(
                name: kind, ph: "M", pid: process, tid: tid, ts: nil, dur: nil,
                args: Arguments(name: name))
        }
        traceEvents = [label("process_name", 0, name)]
        let origin = timeline.spans(of: 0).first?.begin ?? 0
        for member in 0..<timeline.members {
            traceEvents.append(
                label("thread_name", member, member == 0 ? "caller" : "member \(member)"))
            traceEvents += timeline.spans(of: member).map { span in
                Event(
                    name: span.phase.rawValue, ph: "X", pid: process, tid: member,
                    ts: (span.begin - origin) * 1e6, dur: (span.end - span.begin) * 1e6,
                    args: Arguments(
                        layer: span.layer < 0 ? nil : Int(span.layer),
                        tasks: span.phase == .step || span.phase == .wait ? nil : Int(span.calls),
                        rows: span.phase == .step ? Int(span.calls) : nil))
            }
        }
    }
}
