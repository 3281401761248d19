// SPDX-License-Identifier: Apache-2.0

import Foundation
import ModelLoading
import Testing

@testable import Inference

/// What a timeline holds, whatever the times are.
struct StepTimelineTests {
    private func recorded(
        threads: Int, steps: Int, capacity: Int
    ) throws -> (executor: Executor, timeline: StepTimeline) {
        let model = try AwkwardModel.packed(.bf16)
        let executor = try Executor(
            model: model,
            configuration: ExecutorConfiguration(
                pageCount: 64, maximumTokens: 64, maximumSequences: 4, contextLength: 512,
                threads: threads))
        let timeline = try StepTimeline(
            steps: capacity, layers: model.configuration.layerCount, members: threads)
        executor.timeline = timeline
        let adapter = try AwkwardModel.adapter(rank: 3, for: model)
        for _ in 0..<steps {
            let chunk = SequenceChunk(
                tokens: AwkwardModel.prompt(40, seed: 1), position: 0, pages: [0, 1, 2],
                adapters: [AdapterUse(adapter)])
            _ = try executor.run(ExecutorStep(chunks: [chunk]))
        }
        return (executor, timeline)
    }

    @Test(arguments: [1, 2, 3])
    func everyPhaseOfEveryLayerIsThereOnce(threads: Int) throws {
        let (executor, timeline) = try recorded(threads: threads, steps: 2, capacity: 8)
        #expect(timeline.stepCount == 2 && !timeline.isFull)
        let spans = timeline.spans(of: 0)
        let layers = executor.model.configuration.layerCount
        for phase in [StepPhase.queryKeyValue, .rope, .attention, .output, .gateUp, .down] {
            let own = spans.filter { $0.phase == phase }.map(\.layer)
            let each = (0..<layers).map(Int32.init)
            #expect(own == each + each, "\(phase)")
        }
        #expect(spans.filter { $0.phase == .shrink }.count == 2 * 4 * layers)
        #expect(spans.filter { $0.phase == .step }.map(\.calls) == [40, 40])
        #expect(spans.filter { $0.phase == .head }.count == 2)
        #expect((spans.filter { $0.phase == .wait }.count > 0) == (threads > 1))
    }

    @Test(arguments: [1, 2, 3])
    func spansFollowOrHoldEachOther(threads: Int) throws {
        let timeline = try recorded(threads: threads, steps: 2, capacity: 8).timeline
        for member in 0..<threads {
            var open: [StepTimeline.Span] = []
            for span in timeline.spans(of: member) {
                #expect(span.begin <= span.end)
                while let last = open.last, last.end <= span.begin { open.removeLast() }
                if let last = open.last {
                    #expect(
                        last.begin <= span.begin && span.end <= last.end,
                        "\(span.phase) crosses the end of \(last.phase)")
                }
                open.append(span)
            }
        }
        // Every other member works within a loop of the caller.
        let loops = timeline.spans(of: 0)
        for member in 1..<max(threads, 1) {
            for span in timeline.spans(of: member) {
                #expect(
                    loops.contains {
                        $0.phase == span.phase && $0.layer == span.layer && $0.begin <= span.begin
                            && span.end <= $0.end
                    })
            }
        }
    }

    @Test func allTasksOfALoopAreCounted() throws {
        let one = try recorded(threads: 1, steps: 1, capacity: 1).timeline
        let three = try recorded(threads: 3, steps: 1, capacity: 1).timeline
        func tasks(_ timeline: StepTimeline, _ phase: StepPhase) -> Int {
            (0..<timeline.members).reduce(0) { sum, member in
                timeline.spans(of: member).reduce(sum) {
                    $0 + ($1.phase == phase ? Int($1.calls) : 0)
                }
            }
        }
        for phase in StepPhase.allCases where phase != .shrink && phase != .attention {
            #expect(tasks(one, phase) == tasks(three, phase), "\(phase)")
        }
    }

    @Test func aFullTimelineRecordsNoMoreAndTheStepsGoOn() throws {
        let timeline = try recorded(threads: 2, steps: 5, capacity: 3).timeline
        #expect(timeline.isFull && timeline.stepCount == 3)
        #expect(timeline.spans(of: 0).filter { $0.phase == .step }.count == 3)
    }

    @Test func theTraceIsWhatViewersRead() throws {
        let timeline = try recorded(threads: 2, steps: 1, capacity: 1).timeline
        let trace = ChromeTrace(timeline, name: "executor")
        let data = try JSONEncoder().encode(trace)
        let json = try #require(
            JSONSerialization.jsonObject(with: data) as? [String: Any])
        let events = try #require(json["traceEvents"] as? [[String: Any]])
        let names = events.filter { $0["ph"] as? String == "M" }.compactMap {
            ($0["args"] as? [String: Any])?["name"] as? String
        }
        #expect(names == ["executor", "caller", "member 1"])
        let spans = events.filter { $0["ph"] as? String == "X" }
        #expect(spans.count == (0..<2).reduce(0) { $0 + timeline.spans(of: $1).count })
        for event in spans {
            #expect(event["pid"] as? Int == 1)
            #expect([0, 1].contains(event["tid"] as? Int))
            #expect((event["ts"] as? Double ?? -1) >= 0)
            #expect((event["dur"] as? Double ?? -1) >= 0)
            #expect(StepPhase(rawValue: event["name"] as? String ?? "") != nil)
        }
    }

    @Test func aTimelineOfAnImpossibleLengthIsRefused() {
        #expect(throws: InferenceError.self) {
            try StepTimeline(steps: 0, layers: 1, members: 1)
        }
    }
}
