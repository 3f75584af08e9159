// Package orchestrator plays the low-level orchestrators of a continuum: it watches the custom resources
// ServiceComponentK8s, ServiceComponentDocker and ServiceComponentContainerd of a real API server and moves
// their status as if something ran. Nothing runs.
//
// Unless told otherwise a component is Pending, then Starting, then Running after Config.Pace; a Job goes on to
// Succeeded; a change of the spec makes it Starting and Running again. Words in the image choose another
// behaviour, see Words; they may be combined. What is written depends on the object and on the time since its
// spec was first seen, on nothing else, so that a test and the example world know what will come.
package orchestrator
