// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

@testable import Inference

struct ThreadTeamTests {
    @Test(arguments: [1, 2, 3, 8])
    func everyIndexRunsOnceInEveryLoop(members: Int) throws {
        let team = try ThreadTeam(members: members)
        var random = SeededRandom(seed: UInt64(members))
        let runs = UnsafeMutablePointer<Int>.allocate(capacity: 64)
        defer { runs.deallocate() }
        for loop in 0..<3000 {
            let count = Int.random(in: 0...64, using: &random)
            runs.update(repeating: 0, count: 64)
            team.parallel(count) { index, member in
                runs[index] += member < members ? 1 : 100
            }
            let total = (0..<64).reduce(0) { $0 + runs[$1] }
            #expect(total == count && (0..<count).allSatisfy { runs[$0] == 1 }, "loop \(loop)")
        }
    }

    @Test func teamsComeAndGo() throws {
        for _ in 0..<50 {
            let team = try ThreadTeam(members: 4)
            team.parallel(4) { _, _ in }
        }
    }

    /// The only processor that the calling thread may run on; -1 if there are others.
    private static var onlyProcessor: Int {
        let status = try? String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)
        let line = status?.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
        return line?.split(separator: "\t").last.flatMap { Int($0) } ?? -1
    }

    /// On a thread of its own, which stays where the team put it.
    @Test func aPinnedTeamStaysOnItsProcessors() async throws {
        let wanted = Array(ThreadTeam.processors.reversed())
        #expect(!wanted.isEmpty && wanted == wanted.sorted(by: >))
        let unseen = -2
        let places: [Int] = try await withCheckedThrowingContinuation { done in
            Thread.detachNewThread {
                done.resume(
                    with: Result {
                        let team = try ThreadTeam(members: wanted.count, processors: wanted)
                        let places = UnsafeMutablePointer<Int>.allocate(capacity: wanted.count)
                        defer { places.deallocate() }
                        places.initialize(repeating: unseen, count: wanted.count)
                        for _ in 0..<100 {
                            team.parallel(16) { _, member in
                                places[member] = Self.onlyProcessor
                            }
                        }
                        return wanted.indices.map { places[$0] }
                    })
            }
        }
        #expect(places.contains { $0 != unseen })
        // A member that never came in time has seen nothing.
        for (place, processor) in zip(places, wanted) where place != unseen {
            #expect(place == processor)
        }
    }

    @Test(arguments: [[], [0], [0, 1, 2], [-1, 0], [0, -1], [1 << 20, 0], [0, 1 << 20]])
    func processorsThatCannotBeAreRefused(processors: [Int]) async {
        let isRefused = await withCheckedContinuation { done in
            Thread.detachNewThread {
                do {
                    _ = try ThreadTeam(members: 2, processors: processors)
                    done.resume(returning: false)
                } catch {
                    done.resume(returning: true)
                }
            }
        }
        #expect(isRefused)
    }

    @Test(arguments: [0, -1, 1025])
    func aTeamOfAnImpossibleSizeIsRefused(members: Int) {
        #expect(throws: InferenceError.self) { try ThreadTeam(members: members) }
    }
}
