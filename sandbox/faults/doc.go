// Package faults breaks what lies between the agent and the world. Its library
// is a proxy that stands between a client and an HTTP server and cuts, delays,
// refuses, repeats or falsifies requests one by one. Its tests run the agent as
// it ships, against a broker process and a real API server, with a proxy on each
// of the three ways: agent to broker, broker to webhook, agent to API server.
// They look at the broker and at the cluster directly, past the proxies.
//
// Nothing happens by the clock in these tests unless one says so: resync and
// check of the subscriptions are an hour apart, so what is seen was caused by
// what the test did. A test fails as well when the agent it ran panicked or,
// under -race, had a data race.
//
// Every test was seen to fail with its handling taken out. (Cases whose fault
// comes after the request took effect need no second try: they show that nothing
// is done twice.) What was taken out, and where:
//
//	broker trouble (broker_row_test.go)
//	  TestBrokerTroubleWithStatusWrites   queue.go: no second try; with one worker only, "no answer" holds up the others
//	  TestBrokerTroubleWithReads          queue.go: no second try (a cut is repeated by net/http already)
//	  TestBrokerTroubleWithLists          subscribe.go: no retryResync
//	  TestBrokerDownAtStart               subscribe.go: listFirst gives up; or warns at each try
//	  TestBrokerRestartsWithoutSubscriptions  subscribe.go: no listing after a repair
//	API server trouble (kube_row_test.go)
//	  TestKubeTroubleWithApply, …Delete   queue.go: no second try
//	  TestKubeWatchCut                    llo/source.go: a watch is opened once
//	  TestKubeServerDown                  llo/follow.go: no second attempt to list and watch
//	  TestChangedByHand                   llo/compare.go: what has the right hash counts as right
//	notifications (notification_row_test.go)
//	  TestNotificationLost                subscribe.go: no resync by the clock
//	  TestEchoComesDuringAList            tracker.go: what was heard since is newer than a list
//	  TestNotificationDoubled             llo/apply.go: written without comparing
//	  TestNotificationsOutOfOrder         tracker.go: notifiedAt does not order
//	  TestNotificationStaleInAnotherAttribute  tracker.go: nothing read for two within 2 s
//	  TestNotificationMalformed           tracker.go: malformed attributes are believed
//	  TestNotificationOfDeletionIsProved  absence.go: a notice is proof
//	killed (kill_row_test.go)
//	  TestKilledAnywhere                  object.go: Starting always means anew
//	  TestRestartWritesNothing            llo/apply.go, report.go: written without comparing
//	several copies (leader_test.go)
//	  TestLeaderChanges                   queue.go: a stop works everything off; run.go: the Lease is not released
//	  TestLeaderFrozen                    election.go: the fence is always open
//	  TestLeaderCutOff                    election.go: the same, and hold never ends; either alone is enough
//	  TestLeaderStoppedAtAWrite           election.go: every stop is clean
//	  TestFollowerHandsOn, …LetsGo        relay.go: nothing is sent; nobody is told that something is missing
//	  TestFollowerForwards                front.go: the router answers
//	  TestCopiesAtRest                    lease.go: the Lease is renewed ten times a second
//	stopped (stop_row_test.go)
//	  TestTerminated                      run.go: the queue is not waited for
//	  TestTerminatedWhileAllHangs         run.go: the wait for the queue is not bounded
//	  TestTerminatedWithSubscriptionsToGo run.go: no 5 s of answers
//	absence and guard (absence_row_test.go, guard_row_test.go)
//	  TestAbsenceInAnswersDeletesNothing  absence.go: nothing proved; no look at our subscription; ngsild: any 404 proves;
//	                                      resync.go: a list that failed or is short counts as whole
//	  TestEntityGone                      absence.go: objects of every origin go; subscribe.go: no resync by the clock
//	  TestGuard, TestGuardCountsNotifiedDeletions, TestBrokerWiped  absence.go: the guard admits all
//	subscriptions (subscription_row_test.go)
//	  TestSubscriptionSpoilt              ngsild/compare.go: activity, selection, pace, delivery not compared; subscribe.go: no listing after a repair
//	  TestSubscriptionPaused              ngsild/compare.go: activity not compared
//	  TestSubscriptionFailedOnce          ngsild/watch.go: failures are no news
//	invalid entities (invalid_row_test.go)
//	  TestInvalidEntities                 links.go: nobody depends on linked entities; reconcile.go: reasons not told apart
//	  TestNameHeldByAnotherEntity, TestForeignObject  llo/apply.go: any object of the name is ours
//	bodies and strangers (body_row_test.go)
//	  TestBodiesThatCannotBeUsed          ngsild/receiver.go: 400 for them; no resync; every subscription known
//	  TestStrangers                       ngsild/receiver.go: no secret asked for
//	  TestUnreadableEntityAmongOthers     subscribe.go: the others are not looked at
//	  TestNotificationBurst               tracker.go: nothing read for two within 2 s
//	at rest (rest_row_test.go)
//	  TestAtRest                          llo/apply.go, report.go: written without comparing
//	  TestElementsReportLoad              links.go: every notification of an element counts as a change
//	  TestNoRetryStorm                    queue.go: back-off ends at 50 ms
//	orders and reports (order_test.go, job_test.go)
//	  TestOrderCrossedByReport            tracker.go: orders are not remembered
//	  TestLaterOrderReplaces              tracker.go: the first order stays
//	  TestForeignReports                  hold.go: every foreign report is answered
//	  TestReportFollowsTheObject          mapping/statusrule.go: observedGeneration does not matter
//	  TestRemovingWaitsForTheEnd          observe.go: Finished at once
//	  TestPlacementTakenAway              place.go: unplaced is removed
//	  TestTimeLimits                      observe.go: neither STATUS_GRACE nor PROGRESS_DEADLINE
//	  TestOverloadIsKept                  observe.go: Overload does not show
//	  TestEndedJobRunsAgain               object.go: Starting never means anew
//	  TestJobThatEndedUnreportedIsNotRunTwice  object.go: an end counts that was not reported
//	moves (move_test.go)
//	  TestMoveInPlace, TestMoveBetweenKindsWithdrawn  move.go: never overdue
//	  TestMoveBetweenKinds                move.go: the old object goes at once
//	several agents (agents_test.go)
//	  TestTwoAgents                       place.go: every domain is ours
//	  TestMoveToAnotherDomain, TestForeignOwner  llo/apply.go: any object of the name is ours
package faults
