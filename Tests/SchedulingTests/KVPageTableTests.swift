// SPDX-License-Identifier: Apache-2.0

import Scheduling
import TestSupport
import Testing

struct KVPageTableTests {
    @Test
    func pagesGoOutInOrderAndComeBackLastFirst() {
        var table = KVPageTable(pages: 6, pageTokens: 4)
        #expect(table.extend(request(1), to: 5) == [0, 1])
        #expect(table.extend(request(2), to: 4) == [2])
        #expect(table.release(request(1)) == 2)
        #expect(table.extend(request(3), to: 9) == [0, 1, 3])
        #expect(table.inconsistencies() == [])
    }

    @Test
    func growthKeepsThePagesThatAreThere() {
        var table = KVPageTable(pages: 4, pageTokens: 4)
        #expect(table.extend(request(1), to: 3) == [0])
        #expect(table.extend(request(1), to: 4) == [0])
        #expect(table.extend(request(1), to: 2) == [0])
        #expect(table.extend(request(1), to: 13) == [0, 1, 2, 3])
        #expect(table.tokens(of: request(1)) == 13)
    }

    @Test
    func roomIsGivenWholeOrNotAtAll() {
        var table = KVPageTable(pages: 3, pageTokens: 4)
        #expect(table.extend(request(1), to: 8) != nil)
        #expect(table.extend(request(2), to: 5) == nil)
        #expect(table.pages(of: request(2)) == [])
        #expect(table.freePages == 1)
        #expect(table.extend(request(2), to: .max) == nil)
        #expect(table.inconsistencies() == [])
    }

    @Test
    func wasteIsWhatPagesHoldUnfilled() {
        var table = KVPageTable(pages: 8, pageTokens: 16)
        _ = table.extend(request(1), to: 17)
        _ = table.extend(request(2), to: 16)
        #expect((table.usedPages, table.usedTokens, table.wastedTokens) == (3, 33, 15))
        table.release(request(1))
        #expect((table.usedPages, table.usedTokens, table.wastedTokens) == (1, 16, 0))
    }

    @Test
    func whoHoldsNothingReleasesNothing() {
        var table = KVPageTable(pages: 2)
        #expect(table.release(request(9)) == 0)
        #expect(table.freePages == 2)
    }

    @Test(arguments: 0..<5 as Range<UInt64>)
    func randomUseKeepsTheBooks(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var table = KVPageTable(pages: 20, pageTokens: 4)
        for _ in 0..<500 {
            let id = request(UInt64(random.below(6)))
            if random.chance(30) {
                table.release(id)
            } else {
                let before = table.pages(of: id)
                let tokens = table.tokens(of: id) + random.below(12)
                let after = table.extend(id, to: tokens)
                #expect(after == nil || after?.starts(with: before) == true, "seed \(seed)")
            }
            #expect(table.inconsistencies() == [], "seed \(seed)")
        }
    }
}
