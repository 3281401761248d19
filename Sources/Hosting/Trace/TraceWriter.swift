// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import PolicyKit
package import Scheduling
internal import StrictJSON

/// Writes a decision trace: a line of JSON for the header, each adapter, each record, and the end.
///
/// A request is written as a row of all that policies see of it, and again only where that has
/// changed; a list of requests is a list of identifiers, with the rows that are new in it. What has
/// a fixed order is an array: `TraceReader` names the places.
nonisolated package struct TraceWriter {
    /// Requests whose rows are remembered; beyond them all are written anew.
    private static let mostKnown = 16_384

    private let name: (AdapterID) -> String
    private var known: [RequestID: RequestSnapshot] = [:]
    private var named: Set<AdapterID> = []
    private var adapters: [UInt8] = []
    package private(set) var decisions = 0

    /// `name` gives the names of adapters.
    package init(name: @escaping (AdapterID) -> String) { self.name = name }

    package func header(_ header: TraceHeader) -> [UInt8] {
        var json = JSONWriter(reserving: 1024)
        json.beginObject()
        json.member("trace", TraceHeader.format)
        json.member("version", header.version)
        json.member("host", header.host)
        json.member("replica", header.replica)
        json.key("batching")
        json.value(header.batching)
        json.key("fairness")
        json.value(header.fairness)
        json.endObject()
        return json.bytes + [0x0A]
    }

    package func end(_ reason: String) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("end", reason)
        json.member("decisions", decisions)
        json.endObject()
        return json.bytes + [0x0A]
    }

    /// The line of a record, behind those of adapters that it names first.
    package mutating func lines(_ record: DecisionRecord) -> [UInt8] {
        adapters = []
        if known.count > Self.mostKnown { known = [:] }
        var json = JSONWriter(reserving: 4096)
        json.beginObject()
        switch record {
        case .decision(let decision): write(decision, to: &json)
        case .observation(let observation, let isBuiltIn):
            json.key("observed")
            write(observation, isBuiltIn: isBuiltIn, to: &json)
        case .settlement(let settlement, let isBuiltIn):
            json.key("settled")
            json.beginObject()
            json.member("now", Int(settlement.now.nanoseconds))
            write(settlement.displaced, named: "displaced", to: &json)
            write(settlement.advanced, named: "advanced", to: &json)
            json.member("builtIn", isBuiltIn)
            json.endObject()
        }
        json.endObject()
        return adapters + json.bytes + [0x0A]
    }

    // MARK: - Records

    private mutating func write(_ decision: Decision, to json: inout JSONWriter) {
        decisions += 1
        json.member("decision", decision.number)
        json.member("now", Int(decision.now.nanoseconds))
        json.member("ahead", decision.isAhead)
        json.member("forced", decision.isForced)
        json.member("standIn", decision.isStandIn)
        if let exchange = decision.fairness {
            json.key("fairness")
            json.beginObject()
            write(exchange.requests, named: "requests", to: &json)
            write(exchange.context, to: &json)
            write(exchange, to: &json) { answer, writer, json in writer.write(answer, to: &json) }
            json.endObject()
        }
        if let exchange = decision.batching {
            json.key("batching")
            json.beginObject()
            write(exchange.requests, named: "requests", to: &json)
            write(exchange.context, to: &json)
            write(exchange, to: &json) { answer, writer, json in writer.write(answer, to: &json) }
            json.endObject()
        }
        if let step = decision.step {
            json.key("step")
            write(step, to: &json)
        }
    }

    private mutating func write<Context, Answer>(
        _ exchange: PolicyExchange<Context, Answer>, to json: inout JSONWriter,
        _ write: (Answer, inout TraceWriter, inout JSONWriter) -> Void
    ) {
        json.member("builtIn", exchange.isBuiltIn)
        if let fault = exchange.fault {
            json.member("fault", fault.rawValue)
            json.member("message", exchange.message)
        }
        if let answer = exchange.answer {
            json.key("answer")
            write(answer, &self, &json)
        }
    }

    private mutating func write(_ step: DecidedStep, to json: inout JSONWriter) {
        json.beginObject()
        json.member("number", step.number)
        json.key("mode")
        write(step.mode, to: &json)
        json.key("shares")
        json.value(step.shares.flatMap { [Self.number($0.request), $0.tokens] })
        json.key("displaced")
        json.value(step.displaced.map(Self.number))
        json.key("advanced")
        json.value(step.advanced.map(Self.number))
        json.endObject()
    }

    private mutating func write(
        _ observation: StepObservation, isBuiltIn: Bool, to json: inout JSONWriter
    ) {
        json.beginObject()
        json.member("start", Int(observation.start.nanoseconds))
        json.member("stepTime", Int(observation.stepTime.saturatingNanoseconds))
        json.member("mergeTime", Int(observation.mergeTime.saturatingNanoseconds))
        json.key("mode")
        write(observation.mode, to: &json)
        let work = observation.work
        json.key("work")
        json.value([
            work.promptTokens, work.decodeTokens, work.attendedTokens, work.rankTokens,
            work.distinctRanks, work.isMerged ? 1 : 0,
        ])
        json.key("tokens")
        json.value([observation.promptTokens, observation.decodeTokens])
        write(observation.served, named: "served", to: &json)
        json.key("servedTokens")
        json.value(observation.servedTokens)
        json.member("builtIn", isBuiltIn)
        json.endObject()
    }

    // MARK: - Contexts and answers

    private mutating func write(_ context: FairnessContext, to json: inout JSONWriter) {
        write(context.limits, context.currentMode, context.costs, to: &json)
    }

    private mutating func write(_ context: BatchingContext, to json: inout JSONWriter) {
        write(context.limits, context.currentMode, context.costs, to: &json)
        json.key("copies")
        json.beginObject()
        json.member("capacity", context.copies.capacity)
        json.key("ready")
        write(context.copies.ready, to: &json)
        json.key("building")
        write(context.copies.building.map { [$0] } ?? [], to: &json)
        json.endObject()
        json.key("mustServe")
        write(context.mustServe, to: &json)
        json.key("notMergeable")
        write(context.notMergeable.sorted(), to: &json)
    }

    private mutating func write(
        _ limits: BatchLimits, _ mode: BatchMode, _ costs: CostEstimates,
        to json: inout JSONWriter
    ) {
        json.key("limits")
        json.value([
            limits.requests, limits.tokens, limits.freePages, limits.pageTokens,
            limits.undividedTokens,
        ])
        json.key("mode")
        write(mode, to: &json)
        json.key("costs")
        json.beginArray()
        json.value(costs.observations)
        for number in [
            costs.relativeError, costs.perStep, costs.perPromptToken, costs.perDecodeToken,
            costs.perAttendedToken, costs.perRankToken, costs.perDistinctRank, costs.perMergedStep,
        ] {
            json.value(number)
        }
        json.value(costs.mergeTime.map { Int($0.saturatingNanoseconds) })
        if let rate = costs.loadSecondsPerByte { json.value(rate) } else { json.null() }
        json.value(costs.outputShare)
        json.endArray()
    }

    private mutating func write(_ answer: FairnessArrangement, to json: inout JSONWriter) {
        json.beginObject()
        if answer.order != Array(answer.order.indices) {
            json.key("order")
            json.value(answer.order)
        }
        json.key("mustServe")
        write(answer.mustServe, to: &json)
        json.key("notMergeable")
        write(answer.notMergeable.sorted(), to: &json)
        json.key("aborts")
        json.value(answer.aborts)
        json.key("predicted")
        json.value(answer.predictedFirstTokens.map { Int($0.nanoseconds) })
        json.member("reason", answer.reason)
        json.endObject()
    }

    private mutating func write(_ plan: BatchPlan, to json: inout JSONWriter) {
        json.beginObject()
        json.key("mode")
        write(plan.mode, to: &json)
        json.key("entries")
        json.value(plan.entries.flatMap { [$0.index, $0.tokens] })
        json.key("prepares")
        write(plan.prepares.map { [$0] } ?? [], to: &json)
        json.member("reason", plan.reason)
        json.endObject()
    }

    // MARK: - Values

    private mutating func write(_ mode: BatchMode, to json: inout JSONWriter) {
        json.beginArray()
        switch mode {
        case .unmerged: json.value("unmerged")
        case .merged(let adapter):
            json.value("merged")
            json.value(number(adapter))
        case .mixed(let adapter):
            json.value("mixed")
            json.value(number(adapter))
        }
        json.endArray()
    }

    private mutating func write(_ adapters: [AdapterID], to json: inout JSONWriter) {
        json.value(adapters.map { number($0) })
    }

    /// The identifiers of requests as a list of its own name, and behind it the rows that are new.
    private mutating func write(
        _ requests: [RequestSnapshot], named name: String, to json: inout JSONWriter
    ) {
        json.key(name)
        json.value(requests.map { Self.number($0.id) })
        json.key("\(name)Rows")
        json.beginArray()
        for request in requests {
            if let before = known[request.id], before.isSame(as: request) { continue }
            known[request.id] = request
            write(request, to: &json)
        }
        json.endArray()
    }

    private mutating func write(_ request: RequestSnapshot, to json: inout JSONWriter) {
        json.beginArray()
        json.value(Self.number(request.id))
        json.value(number(request.adapter))
        json.value(Int(request.tenant.rawValue))
        json.value(Int(request.phase.rawValue))
        json.value(request.isAdapterResident)
        json.value(request.adapterRank)
        json.value(request.adapterWeight)
        json.value(request.tenantWeight)
        json.value(Int(request.arrival.nanoseconds))
        json.value(request.firstTokenDeadline.map { Int($0.nanoseconds) })
        json.value(request.promptTokens)
        json.value(request.computedTokens)
        json.value(request.generatedTokens)
        json.value(request.maximumTokens)
        json.value(request.undividedTokens)
        json.endArray()
    }

    private static func number(_ id: RequestID) -> Int { Int(truncatingIfNeeded: id.rawValue) }

    private mutating func number(_ id: AdapterID) -> Int {
        if !id.isBase, named.insert(id).inserted {
            var json = JSONWriter()
            json.beginObject()
            json.member("adapter", Int(id.rawValue))
            json.member("name", name(id))
            json.endObject()
            adapters += json.bytes + [0x0A]
        }
        return Int(id.rawValue)
    }
}

nonisolated extension JSONWriter {
    fileprivate mutating func member(_ name: String, _ text: String) {
        key(name)
        value(text)
    }

    fileprivate mutating func member(_ name: String, _ number: Int) {
        key(name)
        value(number)
    }

    fileprivate mutating func member(_ name: String, _ flag: Bool) {
        key(name)
        value(flag)
    }

    fileprivate mutating func value(_ policy: TraceHeader.Policy) {
        beginObject()
        member("name", policy.name)
        member("type", policy.type)
        key("parameters")
        beginObject()
        for (name, parameter) in policy.parameters.sorted(by: { $0.key < $1.key }) {
            key(name)
            value(parameter)
        }
        endObject()
        member("seed", Int(truncatingIfNeeded: policy.seed))
        if let state = policy.state {
            key("state")
            beginObject()
            member("schema", state.schema)
            member("bytes", Data(state.bytes).base64EncodedString())
            endObject()
        }
        member("calls", policy.calls)
        endObject()
    }

    /// The type with the value; durations in nanoseconds, sizes in bytes.
    private mutating func value(_ parameter: ParameterValue) {
        beginObject()
        switch parameter {
        case .boolean(let flag): member("boolean", flag)
        case .integer(let number): member("integer", Int(number))
        case .number(let number):
            key("number")
            value(number)
        case .string(let text): member("string", text)
        case .duration(let time): member("duration", Int(time.saturatingNanoseconds))
        case .size(let size): member("size", Int(size.bytes))
        @unknown default: preconditionFailure("there is no way to write \(parameter)")
        }
        endObject()
    }
}
