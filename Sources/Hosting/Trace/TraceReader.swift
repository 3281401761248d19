// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import PolicyKit
internal import Scheduling
internal import StrictJSON

/// Reads the lines of a decision trace, which anybody may have written: whatever is missing, out of
/// range or contradicts itself is an error.
nonisolated package struct TraceReader {
    /// The longest line; a decision over 4096 requests is a tenth of it.
    package static let mostLineBytes = 16 << 20

    /// A policy is shown at most as many requests.
    private static let mostRequests = 1 << 16

    private var known: [RequestID: RequestSnapshot] = [:]
    private var lastObservation: StepObservation?
    private var decisions = 0

    package init() {}

    private static func fields(of line: [UInt8]) throws(TraceError) -> TraceFields {
        let json: JSONValue
        do throws(JSONSyntaxError) {
            json = try JSONValue(
                parsing: line, limits: JSONLimits(byteCount: mostLineBytes, depth: 16))
        } catch {
            throw TraceError("this is no JSON: \(error)")
        }
        return try TraceFields(json, "")
    }

    // MARK: - Header

    /// Reads the first line.
    package static func header(_ line: [UInt8]) throws(TraceError) -> TraceHeader {
        let fields = try fields(of: line)
        guard fields.has("trace") else {
            throw TraceError("this is no decision trace: `burrow status --trace` writes one")
        }
        let format = try fields.text("trace")
        guard format == TraceHeader.format else {
            throw TraceError(
                "the trace has the format \(format.excerpt(40)), this version reads "
                    + "\(TraceHeader.format)")
        }
        return TraceHeader(
            version: try fields.text("version"), host: try fields.text("host"),
            replica: try fields.integer("replica"),
            batching: try policy(try fields.fields("batching")),
            fairness: try policy(try fields.fields("fairness")))
    }

    private static func policy(_ fields: TraceFields) throws(TraceError) -> TraceHeader.Policy {
        var parameters: [String: ParameterValue] = [:]
        for member in try fields.fields("parameters").object.members {
            parameters[member.name] = try parameter(
                try TraceFields(member.value, fields.place("parameters.\(member.name)")))
        }
        var state: PolicyState?
        if fields.has("state") {
            let stored = try fields.fields("state")
            guard let bytes = Data(base64Encoded: try stored.text("bytes")) else {
                throw stored.wrong("bytes", "base64")
            }
            state = PolicyState(schema: try stored.text("schema"), bytes: Array(bytes))
        }
        let seed = try fields.integer("seed", in: Int.min...Int.max)
        var policy = TraceHeader.Policy(
            name: try fields.text("name"), type: try fields.text("type"), parameters: parameters,
            seed: UInt64(bitPattern: Int64(seed)))
        policy.state = state
        policy.calls = try fields.integer("calls")
        return policy
    }

    private static func parameter(_ fields: TraceFields) throws(TraceError) -> ParameterValue {
        guard let member = fields.object.members.first, fields.object.count == 1 else {
            throw TraceError("\(fields.place("*")): a parameter has one member, its type")
        }
        let all = Int.min...Int.max
        switch member.name {
        case "boolean": return .boolean(try fields.flag("boolean"))
        case "integer": return .integer(Int64(try fields.integer("integer", in: all)))
        case "number":
            return .number(try TraceFields.number(member.value, fields.place("number")))
        case "string": return .string(try fields.text("string"))
        case "duration":
            return .duration(.nanoseconds(try fields.integer("duration", in: all)))
        case "size": return .size(ByteCount(Int64(try fields.integer("size", in: all))))
        default: throw TraceError("\(fields.place(member.name)) is no type of a parameter")
        }
    }

    // MARK: - Records

    /// Reads a line behind the first.
    package mutating func read(_ line: [UInt8]) throws(TraceError) -> TraceLine {
        let fields = try Self.fields(of: line)
        if fields.has("decision") { return .record(.decision(try decision(fields))) }
        if fields.has("observed") {
            let observed = try fields.fields("observed")
            let observation = try observation(observed)
            lastObservation = observation
            return .record(.observation(observation, isBuiltIn: try observed.flag("builtIn")))
        }
        if fields.has("settled") {
            let settled = try fields.fields("settled")
            guard let step = lastObservation else {
                throw TraceError("accounts are settled before any step was observed")
            }
            let settlement = ServiceSettlement(
                now: try settled.instant("now"), step: step,
                displaced: try requests("displaced", in: settled),
                advanced: try requests("advanced", in: settled))
            return .record(.settlement(settlement, isBuiltIn: try settled.flag("builtIn")))
        }
        if fields.has("adapter") {
            let id = try TraceFields.adapter(fields.object["adapter"], "adapter")
            return .adapter(id, name: try fields.text("name"))
        }
        if fields.has("end") {
            return .end(try fields.text("end"), decisions: try fields.integer("decisions"))
        }
        throw TraceError("this is no line of a decision trace")
    }

    private mutating func decision(_ fields: TraceFields) throws(TraceError) -> Decision {
        decisions += 1
        var decision = Decision(
            number: try fields.integer("decision"), now: try fields.instant("now"))
        guard decision.number == decisions else {
            throw TraceError("decision \(decision.number) stands in the place of \(decisions)")
        }
        decision.isAhead = try fields.flag("ahead")
        decision.isForced = try fields.flag("forced")
        decision.isStandIn = try fields.flag("standIn")
        if fields.has("fairness") {
            decision.fairness = try fairness(try fields.fields("fairness"), at: decision.now)
        }
        if fields.has("batching") {
            decision.batching = try batching(try fields.fields("batching"), at: decision.now)
        }
        if fields.has("step") { decision.step = try Self.step(try fields.fields("step")) }
        return decision
    }

    private mutating func fairness(
        _ fields: TraceFields, at now: Instant
    ) throws(TraceError) -> PolicyExchange<FairnessContext, FairnessArrangement> {
        let requests = try requests("requests", in: fields)
        var context = FairnessContext(now: now, limits: try Self.limits(fields))
        context.currentMode = try fields.mode("mode")
        context.costs = try Self.costs(fields)
        context.wantsReason = true
        var exchange = PolicyExchange<FairnessContext, FairnessArrangement>(
            requests: requests, context: context)
        try Self.readOutcome(of: &exchange, fields)
        guard fields.has("answer") else { return exchange }
        let answer = try fields.fields("answer")
        var arrangement = FairnessArrangement(order: Array(requests.indices))
        if answer.has("order") { arrangement.order = try answer.integers("order") }
        arrangement.mustServe = try answer.adapters("mustServe")
        arrangement.notMergeable = Set(try answer.adapters("notMergeable"))
        arrangement.aborts = try answer.integers("aborts")
        for item in try answer.array("predicted") {
            let time = try TraceFields.integer(item, answer.place("predicted"), in: 0...(1 << 60))
            arrangement.predictedFirstTokens.append(Instant(nanoseconds: Int64(time)))
        }
        arrangement.reason = try answer.text("reason")
        exchange.answer = arrangement
        return exchange
    }

    private mutating func batching(
        _ fields: TraceFields, at now: Instant
    ) throws(TraceError) -> PolicyExchange<BatchingContext, BatchPlan> {
        let requests = try requests("requests", in: fields)
        var context = BatchingContext(now: now, limits: try Self.limits(fields))
        context.currentMode = try fields.mode("mode")
        context.costs = try Self.costs(fields)
        context.wantsReason = true
        let copies = try fields.fields("copies")
        context.copies = MergedCopiesSnapshot(
            capacity: try copies.integer("capacity"), ready: try copies.adapters("ready"),
            building: try copies.adapters("building").first)
        context.mustServe = try fields.adapters("mustServe")
        context.notMergeable = Set(try fields.adapters("notMergeable"))
        var exchange = PolicyExchange<BatchingContext, BatchPlan>(
            requests: requests, context: context)
        try Self.readOutcome(of: &exchange, fields)
        guard fields.has("answer") else { return exchange }
        let answer = try fields.fields("answer")
        var plan = BatchPlan(mode: try answer.mode("mode"))
        plan.entries = try Self.pairs("entries", in: answer).map { .init(index: $0, tokens: $1) }
        plan.prepares = try answer.adapters("prepares").first
        plan.reason = try answer.text("reason")
        exchange.answer = plan
        return exchange
    }

    private static func readOutcome<Context, Answer>(
        of exchange: inout PolicyExchange<Context, Answer>, _ fields: TraceFields
    ) throws(TraceError) {
        exchange.isBuiltIn = try fields.flag("builtIn")
        guard fields.has("fault") else { return }
        guard let fault = PolicyFault(rawValue: try fields.text("fault")) else {
            throw fields.wrong("fault", "one of \(PolicyFault.allCases.map(\.rawValue))")
        }
        exchange.fault = fault
        exchange.message = try fields.text("message")
    }

    private static func step(_ fields: TraceFields) throws(TraceError) -> DecidedStep {
        var step = DecidedStep(
            number: try fields.integer("number"), mode: try fields.mode("mode"))
        step.shares = try pairs("shares", in: fields).map {
            .init(request: RequestID(rawValue: UInt64($0)), tokens: $1)
        }
        step.displaced = try fields.requests("displaced")
        step.advanced = try fields.requests("advanced")
        return step
    }

    private mutating func observation(
        _ fields: TraceFields
    ) throws(TraceError) -> StepObservation {
        var observation = StepObservation(
            start: try fields.instant("start"), stepTime: try fields.duration("stepTime"),
            mode: try fields.mode("mode"), served: try requests("served", in: fields))
        observation.mergeTime = try fields.duration("mergeTime")
        let work = try fields.integers("work", count: 6)
        observation.work.promptTokens = work[0]
        observation.work.decodeTokens = work[1]
        observation.work.attendedTokens = work[2]
        observation.work.rankTokens = work[3]
        observation.work.distinctRanks = work[4]
        observation.work.isMerged = work[5] == 1
        let tokens = try fields.integers("tokens", count: 2)
        observation.promptTokens = tokens[0]
        observation.decodeTokens = tokens[1]
        observation.servedTokens = try fields.integers(
            "servedTokens", count: observation.served.count)
        return observation
    }

    private static func limits(_ fields: TraceFields) throws(TraceError) -> BatchLimits {
        let limits = try fields.integers("limits", count: 5)
        guard limits[0] > 0, limits[1] > 0, limits[3] > 0 else {
            throw fields.wrong("limits", "above 0 but for the free pages")
        }
        // Policies multiply pages by the tokens in one.
        guard limits.allSatisfy({ $0 <= 1 << 31 }), limits[3] <= 1 << 20 else {
            throw fields.wrong("limits", "such as a machine can have")
        }
        var read = BatchLimits(
            requests: limits[0], tokens: limits[1], freePages: limits[2], pageTokens: limits[3])
        read.undividedTokens = limits[4]
        return read
    }

    private static func costs(_ fields: TraceFields) throws(TraceError) -> CostEstimates {
        let items = try fields.array("costs", count: 12)
        let place = fields.place("costs")
        var costs = CostEstimates()
        costs.observations = try TraceFields.integer(items[0], place)
        costs.relativeError = try TraceFields.number(items[1], place)
        costs.perStep = try TraceFields.number(items[2], place)
        costs.perPromptToken = try TraceFields.number(items[3], place)
        costs.perDecodeToken = try TraceFields.number(items[4], place)
        costs.perAttendedToken = try TraceFields.number(items[5], place)
        costs.perRankToken = try TraceFields.number(items[6], place)
        costs.perDistinctRank = try TraceFields.number(items[7], place)
        costs.perMergedStep = try TraceFields.number(items[8], place)
        if items[9] != .null {
            costs.mergeTime = .nanoseconds(
                try TraceFields.integer(items[9], place, in: 0...(1 << 60)))
        }
        if items[10] != .null {
            costs.loadSecondsPerByte = try TraceFields.number(items[10], place)
        }
        costs.outputShare = try TraceFields.number(items[11], place)
        return costs
    }

    private static func pairs(
        _ name: String, in fields: TraceFields
    ) throws(TraceError) -> [(Int, Int)] {
        let numbers = try fields.integers(name)
        guard numbers.count.isMultiple(of: 2) else {
            throw fields.wrong(name, "an array of pairs")
        }
        return stride(from: 0, to: numbers.count, by: 2).map { (numbers[$0], numbers[$0 + 1]) }
    }

    // MARK: - Requests

    /// A list of requests, after the rows that are new in it.
    private mutating func requests(
        _ name: String, in fields: TraceFields
    ) throws(TraceError) -> [RequestSnapshot] {
        for row in try fields.array("\(name)Rows") {
            let request = try Self.request(row, fields.place("\(name)Rows"))
            known[request.id] = request
        }
        let ids = try fields.requests(name)
        guard ids.count <= Self.mostRequests else {
            throw fields.wrong(name, "an array of at most \(Self.mostRequests)")
        }
        var seen: Set<RequestID> = []
        var requests: [RequestSnapshot] = []
        requests.reserveCapacity(ids.count)
        for id in ids {
            guard let request = known[id] else {
                throw TraceError(
                    "\(fields.place(name)): nothing is known of request \(id.rawValue)")
            }
            guard seen.insert(id).inserted else {
                throw TraceError("\(fields.place(name)) names request \(id.rawValue) twice")
            }
            requests.append(request)
        }
        return requests
    }

    private static func request(
        _ json: JSONValue, _ path: String
    ) throws(TraceError) -> RequestSnapshot {
        guard case .array(let row) = json, row.count == 15 else {
            throw TraceError("\(path): a request has 15 fields")
        }
        func integer(_ place: Int, to most: Int = 1 << 31) throws(TraceError) -> Int {
            try TraceFields.integer(row[place], "\(path)[\(place)]", in: 0...most)
        }
        func weight(_ place: Int) throws(TraceError) -> Double {
            let weight = try TraceFields.number(row[place], "\(path)[\(place)]")
            guard weight > 0, weight < 1e12 else {
                throw TraceError("\(path)[\(place)]: a weight is above 0, not \(weight)")
            }
            return weight
        }
        var request = RequestSnapshot(
            id: RequestID(rawValue: UInt64(try integer(0, to: TraceFields.most))),
            adapter: try TraceFields.adapter(row[1], "\(path)[1]"),
            tenant: TenantID(rawValue: UInt32(try integer(2))),
            arrival: try TraceFields.instant(row[8], "\(path)[8]"),
            promptTokens: try integer(10))
        guard let phase = RequestPhase(rawValue: UInt8(try integer(3, to: 2))),
            case .boolean(let isResident) = row[4]
        else { throw TraceError("\(path): a request has a phase and says if it can run") }
        request.phase = phase
        request.isAdapterResident = isResident
        request.adapterRank = try integer(5, to: 1 << 16)
        request.adapterWeight = try weight(6)
        request.tenantWeight = try weight(7)
        if row[9] != .null {
            request.firstTokenDeadline = try TraceFields.instant(row[9], "\(path)[9]")
        }
        request.computedTokens = try integer(11)
        request.generatedTokens = try integer(12)
        request.maximumTokens = try integer(13)
        request.undividedTokens = try integer(14)
        guard phase == .decoding || request.computedTokens < request.promptTokens else {
            throw TraceError("\(path): request \(request.id.rawValue) has nothing left to compute")
        }
        return request
    }
}
