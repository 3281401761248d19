// SPDX-License-Identifier: Apache-2.0

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

    @Test(arguments: [0, -1, 1025])
    func aTeamOfAnImpossibleSizeIsRefused(members: Int) {
        #expect(throws: InferenceError.self) { try ThreadTeam(members: members) }
    }
}
