// SPDX-License-Identifier: Apache-2.0

import Foundation
import LoadGeneration
import Synchronization
import Testing
import Workloads

/// The client against servers that do as they please.
struct LoadRunTests {
    private let names = ModelNames(base: "base", adapters: ["one", "two"])

    private func plan(_ count: Int, every gap: Duration, tokens: Int = 3) -> LoadPlan {
        LoadPlan(
            (0..<count).map {
                PlannedRequest(
                    arrival: gap * $0, adapter: $0 % 3 - 1, promptTokens: 4, outputTokens: tokens)
            }, names: names)
    }

    private func run(
        _ plan: LoadPlan, _ server: FakeServer, timeout: Duration = .seconds(60)
    ) async throws -> LoadResult {
        var endpoint = try Endpoint(server.address)
        endpoint.timeout = timeout
        endpoint.apiKey = "secret"
        return try await withCheckedThrowingContinuation { [endpoint] continuation in
            Thread {
                continuation.resume(
                    with: Result { try LoadRun(plan, to: endpoint).perform() })
            }.start()
        }
    }

    @Test func everyRequestIsSentAsPlannedAndCounted() async throws {
        let bodies = Mutex<[String]>([])
        let server = FakeServer { exchange in
            bodies.withLock {
                $0.append(
                    "\(exchange.path) \(exchange.headers["authorization"] ?? "") "
                        + String(decoding: exchange.body, as: UTF8.self))
            }
            exchange.stream(Events.answer(3))
        }
        let result = try await run(plan(30, every: .milliseconds(2)), server)
        #expect(result.outcomes.count == 30 && !result.isInterrupted && result.details.isEmpty)
        for outcome in result.outcomes {
            #expect(outcome.failure == nil && outcome.status == 200)
            #expect(outcome.outputTokens == 3 && outcome.promptTokens == 7)
            #expect(outcome.sent ?? .zero >= outcome.arrival)
            #expect(outcome.firstToken ?? .zero <= outcome.lastToken ?? .zero)
        }
        let sent = bodies.withLock { $0 }
        #expect(Set(sent).count == 30, "no two prompts are alike")
        for model in ["base", "one", "two"] {
            #expect(sent.count { $0.contains(#""model":"\#(model)""#) } == 10)
        }
        for part in [
            "/v1/completions Bearer secret", #""max_tokens":3"#, #""temperature":0"#,
            #""ignore_eos":true"#, #""stream_options":{"include_usage":true}"#,
        ] {
            #expect(sent.allSatisfy { $0.contains(part) }, "\(part)")
        }
    }

    /// The server answers nobody before all have come, so a client that waits for answers would
    /// never get there. What each is late by is small beside the plan.
    @Test func aSlowServerDelaysNoArrival() async throws {
        let count = 50
        let arrived = Mutex(0)
        let gate = Gate()
        let server = FakeServer { exchange in
            let number = arrived.withLock {
                $0 += 1
                return $0
            }
            if number == count { gate.open() }
            gate.wait()
            exchange.stream(Events.answer(1))
        }
        let plan = plan(count, every: .milliseconds(20))
        let result = try await run(plan, server)
        #expect(result.outcomes.allSatisfy { $0.failure == nil })
        let lastSent = result.outcomes.compactMap(\.sent).max() ?? .zero
        #expect(result.outcomes.allSatisfy { ($0.firstToken ?? .zero) >= lastSent })
        let length = (plan.requests.last?.arrival ?? .zero).seconds
        let late = result.outcomes.compactMap { one in one.sent.map { ($0 - one.arrival).seconds } }
        #expect(late.allSatisfy { $0 >= 0 })
        #expect(late.sorted()[count / 2] < length / 4, "\(late)")
        for outcome in result.outcomes {
            let waited = lastSent - outcome.arrival
            #expect(outcome.timeToFirstToken ?? 0 >= waited.seconds, "counted from the plan")
        }
    }

    @Test func aClosedLoopNeverHasMoreUnderWay() async throws {
        let open = Mutex((now: 0, most: 0))
        let server = FakeServer { exchange in
            open.withLock {
                $0.now += 1
                $0.most = max($0.most, $0.now)
            }
            exchange.beginStream()
            open.withLock { $0.now -= 1 }
            for event in Events.answer(2) { exchange.chunk("data: \(event)\n\n") }
            exchange.send("0\r\n\r\n")
        }
        var plan = plan(40, every: .seconds(3600))
        plan.pace = .concurrency(3)
        let result = try await run(plan, server)
        #expect(result.outcomes.count { $0.failure == nil } == 40)
        #expect(open.withLock { $0.most } <= 3)
    }

    @Test func whatIsOverTheLimitIsCountedAndNotSent() async throws {
        let arrived = Mutex(0)
        let gate = Gate()
        let server = FakeServer { exchange in
            let number = arrived.withLock {
                $0 += 1
                return $0
            }
            if number == 5 { gate.open() }
            gate.wait()
            exchange.stream(Events.answer(1))
        }
        // All are due at once, and the first five have to come before any is answered.
        var plan = plan(12, every: .zero)
        plan.openLimit = 5
        let result = try await run(plan, server)
        let shed = result.outcomes.filter { $0.failure == "shed" }
        #expect(shed.count == 7 && shed.allSatisfy { $0.sent == nil })
        #expect(result.outcomes.prefix(5).allSatisfy { $0.failure == nil })
        #expect(result.details["shed"]?.contains("5") == true)
    }

    static let faults: [(String, String, @Sendable (FakeServer.Exchange) -> Void)] = [
        ("status 429", "slow down", { $0.reply(429, #"{"error":{"message":"slow down"}}"#) }),
        ("status 500", "oops", { $0.reply(500, "oops") }),
        (
            "error in the stream", "lost",
            { $0.stream([#"{"error":{"message":"lost"}}"#, "[DONE]"]) }
        ),
        ("malformed reply", "choices", { $0.stream(["{}"]) }),
        ("cut off", "last event", { $0.stream([Events.token("a")]) }),
        ("cut off", "last event", { $0.reply(200, #"{"choices":[]}"#) }),
        (
            "connection lost", "",
            {
                $0.beginStream()
                $0.chunk("data: \(Events.token("a"))\n\n")
                $0.hangUp()
            }
        ),
    ]

    @Test(arguments: faults.indices)
    func failuresAreToldApart(_ index: Int) async throws {
        let (kind, words, answer) = Self.faults[index]
        let server = FakeServer(answer)
        let result = try await run(plan(3, every: .milliseconds(1)), server)
        #expect(result.outcomes.map(\.failure) == [kind, kind, kind])
        let detail = try #require(result.details[kind])
        #expect(words.isEmpty || detail.contains(words), "\(detail)")
    }

    @Test func aRequestThatTakesTooLongEnds() async throws {
        let server = FakeServer { exchange in exchange.beginStream() }
        let result = try await run(
            plan(2, every: .zero), server, timeout: .milliseconds(150))
        #expect(result.outcomes.map(\.failure) == ["timeout", "timeout"])
    }

    @Test func nobodyAtTheAddressIsAFailureOfEachRequest() async throws {
        let port = FakeServer { _ in }.port
        let endpoint = try Endpoint("http://127.0.0.1:\(port)")
        let result = try LoadRun(plan(2, every: .zero), to: endpoint).perform()
        #expect(result.outcomes.map(\.failure) == ["not reachable", "not reachable"])
    }
}
