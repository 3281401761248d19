// SPDX-License-Identifier: Apache-2.0

import AllocationCount
import Testing

@testable import Inference

/// That a whole step allocates nothing is checked where it is optimised, by `InstructionCount`: an
/// iterator that is not specialised allocates at every turn.
@Suite(.enabled(if: allocation_is_counted(), "a sanitizer does the allocating"))
struct StepAllocationTests {
    /// What `body` allocates on this thread.
    private func allocations(_ body: () -> Void) -> Int {
        let before = allocation_count()
        body()
        return allocation_count() - before
    }

    @Test func theCounterSeesAllocations() {
        final class Object {}
        var object = Object()
        #expect(allocations { object = Object() } == 1)
        withExtendedLifetime(object) {}
    }

    @Test(arguments: [1, 2])
    func aTeamRunsClosuresWithoutAllocating(members: Int) throws {
        let team = try ThreadTeam(members: members)
        let sum = UnsafeMutablePointer<Int>.allocate(capacity: members)
        sum.initialize(repeating: 0, count: members)
        defer { sum.deallocate() }
        let factors = [3, 4]
        let count = allocations {
            team.parallel(8) { index, member in sum[member] += index * factors[index & 1] }
        }
        #expect(count == 0)
        #expect((0..<members).reduce(0) { $0 + sum[$1] } == 3 * 12 + 4 * 16)
    }

    @Test func aListKeepsItsMemory() {
        let list = StepList<Int>()
        func fill() {
            list.removeAll()
            var index = 0
            while index < 100 {
                list.append(index)
                index += 1
            }
        }
        #expect(allocations(fill) > 0)
        #expect(allocations(fill) == 0)
        #expect(list.count == 100 && list.buffer.elementsEqual(0..<100))
    }
}
